// Four gathered f32 values of stress.wgsl as two 64-bit integers: a software adapter loads word by word, lane by lane.

alias Four = vec2<u64>;

const LOW = 0xfffffffflu;

fn four_of(values: Four) -> real4 {
    return bitcast<real4>(vec4<u32>(
        u32(values.x & LOW), u32(values.x >> 32u),
        u32(values.y & LOW), u32(values.y >> 32u),
    ));
}
