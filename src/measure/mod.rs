//! Measuring: repeated runs, their statistics, what limits them, and whether the answer is right.

pub mod breakeven;
pub mod ceilings;
pub mod limit;
pub mod observe;
pub mod probe;
pub mod sampler;
pub mod stats;
pub mod verify;
