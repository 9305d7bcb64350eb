// Workload stress, solid elements: each invocation computes all stress points of one element. One text for every
// element; `workloads::stress::gpu` writes before it
//   alias real = f32; or f64
//   const NODES, POINTS, IPS        nodes, evaluation points, stress points of the element
//   const TRUSS, AVERAGED           the 2-node truss; the volume-averaged gradient (several points, one stress)
//   const THERMAL, MATERIALS        thermal strain is subtracted; every element names its material
//   const GATHERED                  differences are streamed, not gathered from node rows
//   const TURNED                    the element's rotation is taken out of the differences before f32 rounds it
// and one of stress_exact.wgsl, stress_pairs.wgsl (how a node row is read), and after it an entry point of the
// kernel's name. Reads side by side with src/workloads/stress/seq.rs: same names, same order.

alias real3 = vec3<real>;
alias real4 = vec4<real>;

struct Params {
    dispatch: Dispatch,
    // The values of the only material, unless MATERIALS: a uniform is read once, a buffer by each invocation.
    material: array<real4, 4>,
}

@group(0) @binding(0) var<uniform> params: Params;
// dN/dxi, three values for each node of each point; then the weights of the nodal temperatures, one value for each node
// of each stress point; then dN/dxi at the centre.
@group(0) @binding(1) var<storage, read> tables: array<real>;
// 16 values a material, when MATERIALS: C11 C22 C33 C12 C13 C23, 2 G12 2 G13 2 G23, alpha x y z, T0, E.
@group(0) @binding(2) var<storage, read> materials: array<real>;
// Node rows, or nothing when GATHERED.
@group(0) @binding(3) var<storage, read> nodes: array<real4>;
// NODES indices an element, or nothing when GATHERED.
@group(0) @binding(4) var<storage, read> connectivity: array<u32>;
// One index an element when MATERIALS.
@group(0) @binding(5) var<storage, read> material_ids: array<u32>;
// When GATHERED: dx dy dz du dv dw of each node but the first, then (THERMAL) the temperature of each node, in pairs;
// four elements side by side, see `gathered_pair`.
@group(0) @binding(6) var<storage, read> gathered: array<vec2<real>>;
// Seven columns of IPS values an element: sxx syy szz sxy sxz syz mises.
@group(0) @binding(7) var<storage, read_write> output: array<real>;

const GATHERED_PAIRS: u32 = 3u * (NODES - 1u) + select(0u, (NODES + 1u) / 2u, THERMAL);

// Position and displacement of a node relative to the first node of its element.
struct Difference {
    x: real3,
    u: real3,
}

// J and G by rows: dx/dxi and du/dxi.
struct Point {
    j0: real3, j1: real3, j2: real3,
    g0: real3, g1: real3, g2: real3,
}

struct Gradient {
    // G adj(J) by rows, or H once divided by det.
    h0: real3, h1: real3, h2: real3,
    det: real,
}

fn cross3(a: real3, b: real3) -> real3 {
    return real3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}

fn dot3(a: real3, b: real3) -> real {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

// G adj(J) and det(J); the columns of adj are the cross products of J's rows.
fn numerator(p: Point) -> Gradient {
    let c0 = cross3(p.j1, p.j2);
    let c1 = cross3(p.j2, p.j0);
    let c2 = cross3(p.j0, p.j1);
    return Gradient(
        real3(dot3(p.g0, c0), dot3(p.g0, c1), dot3(p.g0, c2)),
        real3(dot3(p.g1, c0), dot3(p.g1, c1), dot3(p.g1, c2)),
        real3(dot3(p.g2, c0), dot3(p.g2, c1), dot3(p.g2, c2)),
        dot3(p.j0, c0),
    );
}

fn over_det(n: Gradient) -> Gradient {
    let inverse = real(1.0) / n.det;
    return Gradient(n.h0 * inverse, n.h1 * inverse, n.h2 * inverse, n.det);
}

// Value k of the element's material, whose values begin at `material`.
fn constant(material: u32, k: u32) -> real {
    if MATERIALS {
        return materials[material + k];
    }
    return params.material[k / 4u][k % 4u];
}

// Where pair k of an element lies: the pairs of a group of four elements (the last group of a chunk may be smaller)
// one after the other, each for all the group's elements. `cpu::gathered` in Rust writes them.
fn gathered_pair(element: u32, k: u32) -> u32 {
    let first = element & 0xfffffffcu;
    let width = min(4u, params.dispatch.invocations - first);
    return first * GATHERED_PAIRS + k * width + (element - first);
}

// Temperature above the material's own at stress point ip.
fn temperature_rise(element: u32, material: u32, ip: u32) -> real {
    let reference = constant(material, 12u);
    var rise = real(0.0);
    for (var a = 0u; a < NODES; a++) {
        var temperature: real;
        if GATHERED {
            temperature = gathered[gathered_pair(element, 3u * (NODES - 1u) + a / 2u)][a % 2u];
        } else {
            temperature = node_temperature(connectivity[element * NODES + a]);
        }
        rise += tables[3u * NODES * POINTS + ip * NODES + a] * (temperature - reference);
    }
    return rise;
}

// Stress of the displacement gradient H at stress point ip, and its von Mises value.
fn write_stress(element: u32, material: u32, ip: u32, h: Gradient) {
    var e = real3(h.h0.x, h.h1.y, h.h2.z);
    if THERMAL {
        let rise = temperature_rise(element, material, ip);
        e -= rise * real3(constant(material, 9u), constant(material, 10u), constant(material, 11u));
    }
    let half = real(0.5);
    let shear = real3(half * (h.h0.y + h.h1.x), half * (h.h0.z + h.h2.x), half * (h.h1.z + h.h2.y));
    let c11 = constant(material, 0u);
    let c22 = constant(material, 1u);
    let c33 = constant(material, 2u);
    let c12 = constant(material, 3u);
    let c13 = constant(material, 4u);
    let c23 = constant(material, 5u);
    let s = real3(
        c11 * e.x + c12 * e.y + c13 * e.z,
        c12 * e.x + c22 * e.y + c23 * e.z,
        c13 * e.x + c23 * e.y + c33 * e.z,
    );
    let t = real3(constant(material, 6u), constant(material, 7u), constant(material, 8u)) * shear;
    write_columns(element, ip, s, t);
}

fn write_columns(element: u32, ip: u32, s: real3, t: real3) {
    let d = real3(s.x - s.y, s.y - s.z, s.z - s.x);
    let mises = sqrt(real(0.5) * dot3(d, d) + real(3.0) * dot3(t, t));
    let column = params.dispatch.stride * IPS;
    let at = element * IPS + ip;
    output[at] = s.x;
    output[at + column] = s.y;
    output[at + 2u * column] = s.z;
    output[at + 3u * column] = t.x;
    output[at + 4u * column] = t.y;
    output[at + 5u * column] = t.z;
    output[at + 6u * column] = mises;
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
    write_columns(
        element,
        0u,
        axial * (n * d.x),
        axial * real3(n.x * d.x.y, n.x * d.x.z, n.y * d.x.z),
    );
}

// The differences of node `a` to the first node.
fn difference(element: u32, a: u32, first: NodeRow) -> Difference {
    if GATHERED {
        let xy = gathered[gathered_pair(element, 3u * a - 3u)];
        let zu = gathered[gathered_pair(element, 3u * a - 2u)];
        let vw = gathered[gathered_pair(element, 3u * a - 1u)];
        return Difference(real3(xy, zu.x), real3(zu.y, vw));
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

// J and G of a 4-node tetrahedron: their columns are its edges from the first node.
fn edges(a: Difference, b: Difference, c: Difference) -> Point {
    return Point(
        real3(a.x.x, b.x.x, c.x.x), real3(a.x.y, b.x.y, c.x.y), real3(a.x.z, b.x.z, c.x.z),
        real3(a.u.x, b.u.x, c.u.x), real3(a.u.y, b.u.y, c.u.y), real3(a.u.z, b.u.z, c.u.z),
    );
}

// Each node row is read once, and no table.
fn tetrahedron(element: u32, material: u32, first: NodeRow) {
    var a: Difference;
    var b: Difference;
    var c: Difference;
    if GATHERED {
        a = difference(element, 1u, first);
        b = difference(element, 2u, first);
        c = difference(element, 3u, first);
    } else {
        let row_a = node_row(connectivity[4u * element + 1u]);
        let row_b = node_row(connectivity[4u * element + 2u]);
        let row_c = node_row(connectivity[4u * element + 3u]);
        a = subtract(row_a, first);
        b = subtract(row_b, first);
        c = subtract(row_c, first);
        if TURNED {
            let w = short(turn(over_det(numerator(edges(a, b, c)))));
            a.u = unturned(row_a, first, w);
            b.u = unturned(row_b, first, w);
            c.u = unturned(row_c, first, w);
        }
    }
    write_stress(element, material, 0u, over_det(numerator(edges(a, b, c))));
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
            write_stress(element, material, p, over_det(n));
        }
    }
    if AVERAGED {
        write_stress(element, material, 0u, over_det(sum));
    }
}

// The whole of an invocation: `element` is its place in the chunk.
fn stress(group: vec3<u32>, groups: vec3<u32>, local: u32) {
    let element = linear_group(group, groups) * 64u + local;
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
