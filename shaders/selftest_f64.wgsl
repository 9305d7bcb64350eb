// The f64 part of the self-test: a module of its own, because a device without f64 refuses the whole text.
//
// Bindings, in Rust order:
@group(0) @binding(0) var<uniform> dispatch: Dispatch;
@group(0) @binding(1) var<storage, read> input: array<f64>;
@group(0) @binding(2) var<storage, read_write> output: array<f64>;

// Invocation i works on a = input[2i], b = input[2i+1] -> a + b, a - b, a * b, a / b, sqrt(a * a), f64(f32(a)).
@compute @workgroup_size(64)
fn doubles(@builtin(local_invocation_index) i: u32) {
    if 2u * i + 1u >= arrayLength(&input) || 6u * i + 5u >= arrayLength(&output) {
        return;
    }
    let a = input[2u * i];
    let b = input[2u * i + 1u];
    output[6u * i] = a + b;
    output[6u * i + 1u] = a - b;
    output[6u * i + 2u] = a * b;
    output[6u * i + 3u] = a / b;
    output[6u * i + 4u] = sqrt(a * a);
    output[6u * i + 5u] = f64(f32(a));
}
