//! Measured ceilings of this machine.
