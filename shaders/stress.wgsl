// Workload stress, solid elements: what all forms share. One text for every element; `workloads::stress::gpu` writes
// before it
//   alias real = f32; or f64
//   const NODES, POINTS, IPS        nodes, evaluation points, stress points of the element
//   const TRUSS, AVERAGED           the 2-node truss; the volume-averaged gradient (several points, one stress)
//   const THERMAL, MATERIALS        thermal strain is subtracted; every element names its material
//   const GATHERED                  differences are streamed, not gathered from node rows
//   const TURNED                    the element's rotation is taken out of the differences before f32 rounds it
//   const BLOCK                     elements whose gathered values lie side by side, a multiple of 4
//   const WORKGROUP                 invocations of a workgroup
// and after it one of stress_exact.wgsl, stress_pairs.wgsl (how a node row is read), one of stress_load.wgsl,
// stress_load_int64.wgsl (how gathered values are), one of stress_each.wgsl, stress_four.wgsl (what an invocation does)
// and an entry point of the kernel's name. Reads side by side with
// src/workloads/stress/seq.rs: same names, same order.

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
// When GATHERED: dx dy dz du dv dw of each node but the first, then (THERMAL) the temperature of each node; see
// `gathered_four`.
@group(0) @binding(6) var<storage, read> gathered: array<Four>;
// Binding 7, the output, is declared by what an invocation does: seven columns of IPS values an element, sxx syy szz sxy
// sxz syz mises.

const GATHERED_VALUES: u32 = 6u * (NODES - 1u) + select(0u, NODES, THERMAL);

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

// Where value v of `element` and its three neighbours lies: block by block, value by value, element by element.
// `cpu::gathered` in Rust writes them.
fn gathered_four(element: u32, v: u32) -> u32 {
    return ((element / BLOCK * GATHERED_VALUES + v) * BLOCK + element % BLOCK) / 4u;
}

fn gathered_value(element: u32, v: u32) -> real {
    return four_of(gathered[gathered_four(element, v)])[element % 4u];
}

// Temperature above the material's own at stress point ip.
fn temperature_rise(element: u32, material: u32, ip: u32) -> real {
    let reference = constant(material, 12u);
    var rise = real(0.0);
    for (var a = 0u; a < NODES; a++) {
        var temperature: real;
        if GATHERED {
            temperature = gathered_value(element, 6u * (NODES - 1u) + a);
        } else {
            temperature = node_temperature(connectivity[element * NODES + a]);
        }
        rise += tables[3u * NODES * POINTS + ip * NODES + a] * (temperature - reference);
    }
    return rise;
}

// xx yy zz, xy xz yz and von Mises.
struct Stress {
    s: real3,
    t: real3,
    mises: real,
}

fn with_mises(s: real3, t: real3) -> Stress {
    let d = real3(s.x - s.y, s.y - s.z, s.z - s.x);
    return Stress(s, t, sqrt(real(0.5) * dot3(d, d) + real(3.0) * dot3(t, t)));
}

// Stress of the displacement gradient H at stress point ip.
fn stress_of(element: u32, material: u32, ip: u32, h: Gradient) -> Stress {
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
    return with_mises(s, t);
}

// J and G of a 4-node tetrahedron: their columns are its edges from the first node.
fn edges(a: Difference, b: Difference, c: Difference) -> Point {
    return Point(
        real3(a.x.x, b.x.x, c.x.x), real3(a.x.y, b.x.y, c.x.y), real3(a.x.z, b.x.z, c.x.z),
        real3(a.u.x, b.u.x, c.u.x), real3(a.u.y, b.u.y, c.u.y), real3(a.u.z, b.u.z, c.u.z),
    );
}
