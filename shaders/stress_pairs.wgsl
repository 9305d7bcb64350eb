// Node rows of stress.wgsl as pairs of f32, high + low = the f64 value to 48 bits: 16 values a node, the high parts of
// x y z ux uy uz, T, one unused, the low parts of x y z ux uy uz, two unused.

struct NodeRow {
    x: real3,
    u: real3,
    x_low: real3,
    u_low: real3,
}

fn node_row(node: u32) -> NodeRow {
    let a = nodes[4u * node];
    let b = nodes[4u * node + 1u];
    let c = nodes[4u * node + 2u];
    let d = nodes[4u * node + 3u];
    return NodeRow(a.xyz, real3(a.w, b.x, b.y), c.xyz, real3(c.w, d.x, d.y));
}

fn node_temperature(node: u32) -> real {
    return nodes[4u * node + 1u].z;
}

// x, hidden from an optimiser that would reorder sums.
fn hidden(x: real3) -> real3 {
    return bitcast<real3>(bitcast<vec3<u32>>(x) ^ vec3<u32>(params.dispatch.zero));
}

// (high_a - high_0) + (low_a - low_0).
fn subtract(a: NodeRow, first: NodeRow) -> Difference {
    return Difference(
        hidden(a.x - first.x) + (a.x_low - first.x_low),
        hidden(a.u - first.u) + (a.u_low - first.u_low),
    );
}

// A value and what its rounding left behind.
struct Pair {
    high: real3,
    low: real3,
}

// a + b without error (Knuth).
fn two_sum(a: real3, b: real3) -> Pair {
    let sum = hidden(a + b);
    let b_part = hidden(sum - a);
    let a_part = hidden(sum - b_part);
    return Pair(sum, hidden(a - a_part) + hidden(b - b_part));
}

// The first 12 bits of x, so that a product of two such numbers has no rounding error.
fn first_bits(x: real3) -> real3 {
    return bitcast<real3>(bitcast<vec3<u32>>(x) & vec3<u32>(0xfffff000u));
}

// w rounded to 12 bits; 0 where the element has no gradient at its centre.
fn short(w: real3) -> real3 {
    let rounded = bitcast<real3>((bitcast<vec3<u32>>(w) + vec3<u32>(0x800u)) & vec3<u32>(0xfffff000u));
    return select(real3(0.0), rounded, abs(w) < real3(1e30));
}

// du - W dx of node `a` against the first one, W skew with w = W_xy, W_xz, W_yz. Slender bodies turn far more than they
// stretch, and f32 would round the turn; so dx and du are pairs, and the products' leading parts are exact.
fn unturned(a: NodeRow, first: NodeRow, w: real3) -> real3 {
    let x = two_sum(a.x, -first.x);
    let u = two_sum(a.u, -first.u);
    let x_first = first_bits(x.high);
    let x_rest = hidden(x.high - x_first) + (x.low + (a.x_low - first.x_low));
    let u_rest = u.low + (a.u_low - first.u_low);
    // Rows of -W: (0, -w.x, -w.y), (w.x, 0, -w.z), (w.y, w.z, 0).
    let one = real3(-w.x, w.x, w.y);
    let two = real3(-w.y, -w.z, w.z);
    let by_one = two_sum(u.high, hidden(one * x_first.yxx));
    let by_two = two_sum(by_one.high, hidden(two * x_first.zzy));
    return by_two.high + ((by_one.low + by_two.low) + (u_rest + (one * x_rest.yxx + two * x_rest.zzy)));
}
