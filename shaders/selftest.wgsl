// What an adapter's arithmetic may be trusted with. Each entry point is one workgroup's work on inputs that the
// optimiser cannot see; `gpu::selftest` compares the answers with the host's. Needs common/dispatch.wgsl before it.
//
// Bindings, in Rust order:
@group(0) @binding(0) var<uniform> dispatch: Dispatch;
@group(0) @binding(1) var<storage, read> input: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

// Workgroup g: counts to input[g] in one invocation, half of it in a nested loop -> output[2g], and a word that depends
// on every iteration -> output[2g+1].
@compute @workgroup_size(1)
fn loops(@builtin(workgroup_id) group: vec3<u32>) {
    let g = group.x;
    if g >= arrayLength(&input) || 2u * g + 1u >= arrayLength(&output) {
        return;
    }
    var count = 0u;
    var mix = 1u + dispatch.zero;
    for (var i = 0u; i < input[g] / 64u; i++) {
        for (var j = 0u; j < 64u; j++) {
            mix = mix * 1664525u + 1013904223u;
            count++;
        }
    }
    output[2u * g] = count;
    output[2u * g + 1u] = mix;
}

// Invocation i works on the words input[4i..4i+4] = (x, a, b, c) and writes 8 words:
//   0: f32(x) of the integer x
//   1: (a - b) + c as written            2: the same with the difference made opaque
//   3: error term of a + b as written    4: the same made opaque
//   5: fma(a, b, c)                      6: a * b + c
//   7: a * 1.0 through an opaque 1.0 (a denormal a shows whether those are kept)
@compute @workgroup_size(64)
fn floats(@builtin(local_invocation_index) i: u32) {
    if 4u * i + 3u >= arrayLength(&input) || 8u * i + 7u >= arrayLength(&output) {
        return;
    }
    let a = bitcast<f32>(input[4u * i + 1u]);
    let b = bitcast<f32>(input[4u * i + 2u]);
    let c = bitcast<f32>(input[4u * i + 3u]);
    let zero = dispatch.zero;
    output[8u * i] = bitcast<u32>(f32(input[4u * i]));
    output[8u * i + 1u] = bitcast<u32>((a - b) + c);
    output[8u * i + 2u] = bitcast<u32>(opaque(a - b, zero) + c);
    let s = a + b;
    let t = s - a;
    output[8u * i + 3u] = bitcast<u32>((a - (s - t)) + (b - t));
    let so = opaque(a + b, zero);
    let to = opaque(so - a, zero);
    output[8u * i + 4u] = bitcast<u32>(opaque(a - opaque(so - to, zero), zero) + opaque(b - to, zero));
    output[8u * i + 5u] = bitcast<u32>(fma(a, b, c));
    output[8u * i + 6u] = bitcast<u32>(a * b + c);
    output[8u * i + 7u] = bitcast<u32>(a * opaque(1.0, zero));
}
