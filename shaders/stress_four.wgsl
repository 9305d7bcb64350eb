// stress.wgsl, four neighbouring 4-node tetrahedra an invocation, from gathered differences: every load and every store
// carries one value of all four, where a software adapter executes each lane by lane.

// Each column holds a multiple of four values.
@group(0) @binding(7) var<storage, read_write> output: array<real4>;

// The differences of a node, element by element.
struct Differences {
    x: real4, y: real4, z: real4,
    u: real4, v: real4, w: real4,
}

// From value `v` on.
fn differences(element: u32, v: u32) -> Differences {
    return Differences(
        four_of(gathered[gathered_four(element, v)]),
        four_of(gathered[gathered_four(element, v + 1u)]),
        four_of(gathered[gathered_four(element, v + 2u)]),
        four_of(gathered[gathered_four(element, v + 3u)]),
        four_of(gathered[gathered_four(element, v + 4u)]),
        four_of(gathered[gathered_four(element, v + 5u)]),
    );
}

fn of_one(d: Differences, i: u32) -> Difference {
    return Difference(real3(d.x[i], d.y[i], d.z[i]), real3(d.u[i], d.v[i], d.w[i]));
}

// The stress of the tetrahedron at place `i` of the four.
fn tetrahedron(first: u32, i: u32, a: Differences, b: Differences, c: Differences) -> Stress {
    var material = 0u;
    if MATERIALS {
        material = 16u * material_ids[first + i];
    }
    let point = edges(of_one(a, i), of_one(b, i), of_one(c, i));
    return stress_of(first + i, material, 0u, over_det(numerator(point)));
}

// The whole of an invocation.
fn stress(group: vec3<u32>, groups: vec3<u32>, local: u32) {
    let four = linear_group(group, groups) * WORKGROUP + local;
    if four >= params.dispatch.invocations {
        return;
    }
    let first = 4u * four;
    let a = differences(first, 0u);
    let b = differences(first, 6u);
    let c = differences(first, 12u);
    let p = tetrahedron(first, 0u, a, b, c);
    let q = tetrahedron(first, 1u, a, b, c);
    let r = tetrahedron(first, 2u, a, b, c);
    let s = tetrahedron(first, 3u, a, b, c);
    let column = params.dispatch.stride / 4u;
    output[four] = real4(p.s.x, q.s.x, r.s.x, s.s.x);
    output[four + column] = real4(p.s.y, q.s.y, r.s.y, s.s.y);
    output[four + 2u * column] = real4(p.s.z, q.s.z, r.s.z, s.s.z);
    output[four + 3u * column] = real4(p.t.x, q.t.x, r.t.x, s.t.x);
    output[four + 4u * column] = real4(p.t.y, q.t.y, r.t.y, s.t.y);
    output[four + 5u * column] = real4(p.t.z, q.t.z, r.t.z, s.t.z);
    output[four + 6u * column] = real4(p.mises, q.mises, r.mises, s.mises);
}
