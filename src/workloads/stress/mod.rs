//! `stress`: stresses of bars and solids from nodal displacements.

pub mod bound;
mod cpu;
pub mod kernel;
pub mod model;
pub mod seq;
