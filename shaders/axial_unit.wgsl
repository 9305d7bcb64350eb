// Bindings of the kernel axial where all lengths are 1, in the order of src/workloads/stress/axial/gpu.rs.
@group(0) @binding(1) var<storage, read> displacement: array<real>;
@group(0) @binding(2) var<storage, read> young: array<real>;
@group(0) @binding(3) var<storage, read_write> sigma: array<real>;

fn per_length(x: real, i: u32) -> real {
    return x;
}
