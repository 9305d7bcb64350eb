//! What this machine is and can do.

pub mod limits;
pub mod pool;
pub mod topology;
