//! `stress`: stresses of bars and solids from nodal displacements.

mod assign;
pub mod bound;
mod check;
mod cpu;
pub mod generate;
pub mod kernel;
pub mod model;
pub mod nodal;
pub mod options;
mod orientation;
mod refine;
mod save;
pub mod seq;
pub mod solid;
