// Workload deposits: the deposits of a chunk, by three ways of sharing an account. common/dispatch.wgsl comes before this
// file. Reads side by side with src/workloads/deposits/account.rs.

struct Params {
    dispatch: Dispatch,
    amount: u32,     // of one deposit
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Of add_atomic: the balance, low word and high word, zero before the dispatch.
@group(0) @binding(1) var<storage, read_write> account: array<atomic<u32>>;
// Of add_sharded and add_reduce: the balance of each workgroup.
@group(0) @binding(1) var<storage, read_write> partials: array<u32>;

var<workgroup> shard: atomic<u32>;

// Deposits of invocation `number`.
fn share(number: u32) -> u32 {
    let dispatch = params.dispatch;
    if number >= dispatch.invocations {
        return 0u;
    }
    let offset = multiply_64(number, dispatch.per_invocation);
    let left_lo = dispatch.count_lo - offset.x;
    let left_hi = dispatch.count_hi - offset.y - u32(dispatch.count_lo < offset.x);
    return select(min(dispatch.per_invocation, left_lo), dispatch.per_invocation, left_hi > 0u);
}

// Every deposit is an atomic addition to the one account. The low word wraps around at most once for each that sees it do so.
@compute @workgroup_size(64)
fn add_atomic(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let n = share(linear_group(group, groups) * 64u + local);
    for (var i = 0u; i < n; i++) {
        let before = atomicAdd(&account[0], params.amount);
        if before + params.amount < before {
            atomicAdd(&account[1], 1u);
        }
    }
}

// Every deposit is an atomic addition to the workgroup's own account.
@compute @workgroup_size(64)
fn add_sharded(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let number = linear_group(group, groups);
    let n = share(number * 64u + local);
    for (var i = 0u; i < n; i++) {
        atomicAdd(&shard, params.amount);
    }
    workgroupBarrier();
    if local == 0u && number < arrayLength(&partials) {
        partials[number] = atomicLoad(&shard);
    }
}

// Every deposit is an addition to a number of the invocation's own; the workgroup adds these up.
@compute @workgroup_size(64)
fn add_reduce(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let number = linear_group(group, groups);
    let n = share(number * 64u + local);
    var own = 0u;
    for (var i = 0u; i < n; i++) {
        // The zero is a secret: without it n additions would become one product.
        own = (own + params.amount) ^ params.dispatch.zero;
    }
    atomicAdd(&shard, own);
    workgroupBarrier();
    if local == 0u && number < arrayLength(&partials) {
        partials[number] = atomicLoad(&shard);
    }
}
