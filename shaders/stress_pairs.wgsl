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

// (high_a - high_0) + (low_a - low_0), the first difference hidden from an optimiser that would reorder the sum.
fn subtract(a: NodeRow, first: NodeRow) -> Difference {
    let zero = params.dispatch.zero;
    let x = bitcast<vec3<u32>>(a.x - first.x) ^ vec3<u32>(zero);
    let u = bitcast<vec3<u32>>(a.u - first.u) ^ vec3<u32>(zero);
    return Difference(
        bitcast<real3>(x) + (a.x_low - first.x_low),
        bitcast<real3>(u) + (a.u_low - first.u_low),
    );
}
