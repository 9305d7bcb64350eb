// Four gathered values of stress.wgsl, as they are.

alias Four = real4;

fn four_of(values: Four) -> real4 {
    return values;
}
