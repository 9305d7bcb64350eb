//! Arithmetic that workloads share: counter-based random numbers, finite elements, small tensors, SIMD dispatch.

pub mod eigen;
pub mod elements;
pub mod philox;
pub mod tensor;
pub mod trig;
