// Node rows of stress.wgsl as plain numbers of the kernel's precision: 8 values a node, x y z ux uy uz T and one unused.

struct NodeRow {
    x: real3,
    u: real3,
}

fn node_row(node: u32) -> NodeRow {
    let a = nodes[2u * node];
    let b = nodes[2u * node + 1u];
    return NodeRow(a.xyz, real3(a.w, b.x, b.y));
}

fn node_temperature(node: u32) -> real {
    return nodes[2u * node + 1u].z;
}

fn subtract(a: NodeRow, first: NodeRow) -> Difference {
    return Difference(a.x - first.x, a.u - first.u);
}

// Never called: the rotation stays where nothing is gained by taking it away.
fn short(w: real3) -> real3 {
    return w;
}

fn unturned(a: NodeRow, first: NodeRow, w: real3) -> real3 {
    return a.u - first.u;
}
