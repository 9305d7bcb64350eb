//! Arithmetic that workloads share: counter-based random numbers, finite elements, small tensors, elementary functions,
//! expressions, SIMD dispatch.

pub mod eigen;
pub mod elementary;
pub mod elements;
pub mod expr;
pub mod pair;
pub mod philox;
pub mod principal;
pub mod tensor;
pub mod trig;
