// stress.wgsl, one element an invocation.

@group(0) @binding(7) var<storage, read_write> output: array<real>;

fn write(element: u32, ip: u32, stress: Stress) {
    let column = params.dispatch.stride * IPS;
    let at = element * IPS + ip;
    output[at] = stress.s.x;
    output[at + column] = stress.s.y;
    output[at + 2u * column] = stress.s.z;
    output[at + 3u * column] = stress.t.x;
    output[at + 4u * column] = stress.t.y;
    output[at + 5u * column] = stress.t.z;
    output[at + 6u * column] = stress.mises;
}

// E (dx . du / L^2 - alpha (T - T0)) n (x) n, tension positive.
fn truss(element: u32, material: u32, d: Difference) {
    let square = dot3(d.x, d.x);
    var strain = dot3(d.x, d.u) / square;
    if THERMAL {
        strain -= constant(material, 9u) * temperature_rise(element, material, 0u);
    }
    let axial = constant(material, 13u) * strain;
    let n = d.x * (real(1.0) / square);
    let shear = axial * real3(n.x * d.x.y, n.x * d.x.z, n.y * d.x.z);
    write(element, 0u, with_mises(axial * (n * d.x), shear));
}

// The differences of node `a` to the first node.
fn difference(element: u32, a: u32, first: NodeRow) -> Difference {
    if GATHERED {
        let v = 6u * a - 6u;
        return Difference(
            real3(gathered_value(element, v), gathered_value(element, v + 1u), gathered_value(element, v + 2u)),
            real3(gathered_value(element, v + 3u), gathered_value(element, v + 4u), gathered_value(element, v + 5u)),
        );
    }
    return subtract(node_row(connectivity[element * NODES + a]), first);
}

// J and G of the derivatives that start at `table`.
fn point_at(table: u32, differences: ptr<function, array<Difference, NODES>>) -> Point {
    var point: Point;
    for (var a = 1u; a < NODES; a++) {
        let at = table + 3u * a;
        let dn = real3(tables[at], tables[at + 1u], tables[at + 2u]);
        let d = (*differences)[a];
        point.j0 += d.x.x * dn;
        point.j1 += d.x.y * dn;
        point.j2 += d.x.z * dn;
        point.g0 += d.u.x * dn;
        point.g1 += d.u.y * dn;
        point.g2 += d.u.z * dn;
    }
    return point;
}

// W_xy, W_xz, W_yz of a displacement gradient.
fn turn(h: Gradient) -> real3 {
    return real(0.5) * real3(h.h0.y - h.h1.x, h.h0.z - h.h2.x, h.h1.z - h.h2.y);
}

// The same at the element's centre; of a truss about dx (x) du.
fn rotation(differences: ptr<function, array<Difference, NODES>>) -> real3 {
    if TRUSS {
        let d = (*differences)[1];
        let inverse = real(1.0) / dot3(d.x, d.x);
        return inverse * real3(d.u.x * d.x.y - d.u.y * d.x.x, d.u.x * d.x.z - d.u.z * d.x.x, d.u.y * d.x.z - d.u.z * d.x.y);
    }
    return turn(over_det(numerator(point_at(NODES * (3u * POINTS + IPS), differences))));
}

// Each node row is read once, and no table. (Gathered ones go by fours: stress_four.wgsl.)
fn tetrahedron(element: u32, material: u32, first: NodeRow) {
    let row_a = node_row(connectivity[4u * element + 1u]);
    let row_b = node_row(connectivity[4u * element + 2u]);
    let row_c = node_row(connectivity[4u * element + 3u]);
    var a = subtract(row_a, first);
    var b = subtract(row_b, first);
    var c = subtract(row_c, first);
    if TURNED {
        let w = short(turn(over_det(numerator(edges(a, b, c)))));
        a.u = unturned(row_a, first, w);
        b.u = unturned(row_b, first, w);
        c.u = unturned(row_c, first, w);
    }
    write(element, 0u, stress_of(element, material, 0u, over_det(numerator(edges(a, b, c)))));
}

fn solid(element: u32, material: u32, first: NodeRow) {
    if NODES == 4u {
        tetrahedron(element, material, first);
        return;
    }
    var differences: array<Difference, NODES>;
    for (var a = 1u; a < NODES; a++) {
        differences[a] = difference(element, a, first);
    }
    if TURNED {
        let w = short(rotation(&differences));
        for (var a = 1u; a < NODES; a++) {
            differences[a].u = unturned(node_row(connectivity[element * NODES + a]), first, w);
        }
    }
    if TRUSS {
        truss(element, material, differences[1]);
        return;
    }
    var sum: Gradient;
    for (var p = 0u; p < POINTS; p++) {
        let n = numerator(point_at(3u * p * NODES, &differences));
        if AVERAGED {
            sum.h0 += n.h0;
            sum.h1 += n.h1;
            sum.h2 += n.h2;
            sum.det += n.det;
        } else {
            write(element, p, stress_of(element, material, p, over_det(n)));
        }
    }
    if AVERAGED {
        write(element, 0u, stress_of(element, material, 0u, over_det(sum)));
    }
}

// The whole of an invocation: `element` is its place in the chunk.
fn stress(group: vec3<u32>, groups: vec3<u32>, local: u32) {
    let element = linear_group(group, groups) * WORKGROUP + local;
    if element >= params.dispatch.invocations {
        return;
    }
    var material = 0u;
    if MATERIALS {
        material = 16u * material_ids[element];
    }
    var first: NodeRow;
    if !GATHERED {
        first = node_row(connectivity[element * NODES]);
    }
    solid(element, material, first);
}
