//! The policies through the program: `auto`, `hybrid`, `explain`, traces, and what a run leaves in the profile.

use hetero::job::Step;
use hetero::plan::demand::Demand;
use hetero::workloads::{Context, WORKLOADS};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::hetero;

/// Runs the program with a cache of its own and parses what it prints.
fn json(cache: &TempDir, args: &[&str]) -> Value {
    let output = hetero().env("HETERO_CACHE", cache.path()).args(args).output().expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

#[test]
fn auto_chooses_runs_and_keeps_a_receipt() {
    let cache = TempDir::new().unwrap();
    let args = ["run", "pi", "--samples", "2e5", "--backend", "auto", "--runs", "5", "--regret", "--json"];
    let first = json(&cache, &args);
    let plan = &first["plan"];
    assert_eq!(plan["policy"], "auto");
    let chosen = plan["chosen"].as_str().unwrap();
    assert_eq!(first["runs"][0]["backend"], chosen);
    assert!(plan["source"].as_str().unwrap().contains("no profile"), "{plan}");
    assert!(!plan["reason"].as_str().unwrap().is_empty());
    for candidate in plan["candidates"].as_array().unwrap() {
        let out = !candidate["excluded"].is_null();
        assert_ne!(out, candidate["predicted_seconds"].is_number(), "{candidate}");
        // With --regret everything that could run was run.
        assert_ne!(out, candidate["measured_seconds"].is_number(), "{candidate}");
    }
    assert!(plan["regret"].as_f64().unwrap() >= 0.0);
    // The first run taught the second.
    let second = json(&cache, &args);
    assert!(second["plan"]["source"].as_str().unwrap().contains("measured on this machine"), "{}", second["plan"]);
    assert_eq!(first["result"]["hits"], second["result"]["hits"]);
}

#[test]
fn a_run_can_be_kept_out_of_the_profile() {
    let cache = TempDir::new().unwrap();
    let args = ["run", "pi", "--samples", "1e3", "--json"];
    let files = || std::fs::read_dir(cache.path()).unwrap().count();
    hetero().env("HETERO_CACHE", cache.path()).env("HETERO_RUN_LEARN", "false").args(args).assert().success();
    hetero().env("HETERO_CACHE", cache.path()).args(args).args(["--threads", "1", "--simd", "avx2"]).assert().success();
    assert_eq!(files(), 0, "an unusual run says nothing about the usual one");
    hetero().env("HETERO_CACHE", cache.path()).args(args).assert().success();
    assert_eq!(files(), 1);
}

#[test]
fn explain_tells_the_plan_without_running() {
    let cache = TempDir::new().unwrap();
    let jobs = [&["pi"][..], &["stress", "--elements", "1000"], &["eigen", "--count", "8", "--order", "20"]];
    for job in jobs {
        let plan = json(&cache, &[&["explain"], job, &["--json"]].concat());
        assert_eq!(plan["schema"], "hetero.plan/1");
        assert!(plan["plan"]["candidates"].as_array().unwrap().len() >= 3, "{plan}");
        assert!(plan["guide"].as_array().unwrap().len() >= 4, "{plan}");
    }
    let output = hetero().env("HETERO_CACHE", cache.path()).args(["explain", "pi"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for word in ["auto chose", "candidate", "predicted", "guide", "one machine or several?"] {
        assert!(text.contains(word), "{word} is missing: {text}");
    }
}

#[test]
fn explain_takes_another_machine_s_profile_and_refuses_what_is_none() {
    let cache = TempDir::new().unwrap();
    let file = cache.path().join("server.json");
    // A card that counts 10^12 a second, on a machine with 64 threads that count 10^9 each.
    let curve = |rate: f64| {
        let point = |exponent: i32| {
            let cost = 10_f64.powi(exponent);
            let zero = serde_json::json!([0.0]);
            serde_json::json!({"class": (2.0 * cost.log2()).round() as i32, "cost": cost, "kernel": [1e-5 + cost / rate],
                "upload": zero, "download": zero, "merge": zero})
        };
        serde_json::json!([point(4), point(9), point(13)])
    };
    // Without a hash the card's times would be of other code: ask the program for it through its own profile.
    let profile = serde_json::json!({
        "schema": "hetero.profile/2",
        "key": {"version": "0", "cpu": "a server", "threads": 64, "simd": "avx512"},
        "backends": [
            {"id": "seq", "threads": 1, "kernels": [{"name": "pi", "precision": "integer", "curve": curve(5e9)}]},
            {"id": "cpu", "threads": 64, "kernels": [{"name": "pi", "precision": "integer", "curve": curve(6.4e11)}]},
            {"id": "gpu", "threads": 1, "open": [0.2], "adapter": {"name": "a card", "kind": "discrete", "api": "vulkan",
                "driver": "1", "software": false}},
        ],
    });
    std::fs::write(&file, profile.to_string()).unwrap();
    let path = file.to_str().unwrap();
    let explain = |samples: &str| json(&cache, &["explain", "pi", "--samples", samples, "--profile", path, "--json"]);
    assert_eq!(explain("100")["plan"]["chosen"], "seq");
    assert_eq!(explain("1e9")["plan"]["chosen"], "cpu");
    let large = explain("1e14");
    assert!(["gpu", "hybrid"].contains(&large["plan"]["chosen"].as_str().unwrap()), "{large}");
    assert!(large["plan"]["source"].as_str().unwrap().contains("a server"));
    std::fs::write(&file, "{}").unwrap();
    hetero().args(["explain", "pi", "--profile", path]).assert().code(3);
}

#[test]
fn hybrid_gives_the_same_integer_and_tells_who_did_what() {
    let cache = TempDir::new().unwrap();
    let alone = json(&cache, &["run", "pi", "--samples", "5e6", "--runs", "1", "--baseline", "none", "--json"]);
    let args = ["run", "pi", "--samples", "5e6", "--runs", "1", "--baseline", "none", "--backend", "hybrid", "--json"];
    let shared = json(&cache, &args);
    assert_eq!(shared["runs"][0]["backend"], "hybrid");
    assert_eq!(shared["result"], alone["result"]);
    let shares = shared["runs"][0]["shares"].as_object().unwrap();
    assert_eq!(shares.values().map(|items| items.as_u64().unwrap()).sum::<u64>(), 5_000_000, "{shares:?}");
    assert_eq!(shared["runs"][0]["members"][0]["backend"], "cpu");
    // What stays on the CPU is not shared.
    hetero().args(["run", "eigen", "--count", "2", "--order", "4", "--backend", "hybrid"]).assert().code(5);
}

/// With the software adapter, which has to be asked for.
#[cfg(feature = "gpu")]
#[test]
fn hybrid_with_a_device_equals_the_cpu_and_streams_within_its_memory() {
    if hetero::gpu::testing::adapter_or_skip().is_none() {
        return;
    }
    let cache = TempDir::new().unwrap();
    let run = |backend: &[&str]| {
        let common =
            ["run", "stress", "--elements", "100000", "--precision", "mixed", "--runs", "1", "--baseline", "none"];
        json(&cache, &[&common[..], backend, &["--json"]].concat())
    };
    let cpu = run(&["--backend", "cpu"]);
    let together = run(&["--backend", "hybrid", "--hybrid", "cpu,gpu", "--max-device-memory", "2M"]);
    let shares = together["runs"][0]["shares"].as_object().unwrap();
    assert_eq!(shares.len(), 2);
    assert_eq!(shares.values().map(|items| items.as_u64().unwrap()).sum::<u64>(), 100_000);
    let largest = |report: &Value| report["result"]["max_von_mises"]["value"].as_f64().unwrap();
    assert!((largest(&cpu) / largest(&together) - 1.0).abs() < 1e-6);
    let pi = |backend: &[&str]| {
        let common = ["run", "pi", "--samples", "5e6", "--runs", "1", "--baseline", "none", "--json"];
        json(&cache, &[&common[..], backend].concat())["result"].clone()
    };
    assert_eq!(pi(&["--backend", "hybrid", "--hybrid", "cpu,gpu"]), pi(&["--backend", "seq"]));
}

#[test]
fn a_trace_has_a_row_per_worker_and_every_chunk() {
    let cache = TempDir::new().unwrap();
    let file = cache.path().join("trace.json");
    let args = [
        "run",
        "pi",
        "--samples",
        "1e6",
        "--runs",
        "1",
        "--baseline",
        "none",
        "--backend",
        "auto",
        "--json",
        "--trace",
    ];
    let report = json(&cache, &[&args[..], &[file.to_str().unwrap()]].concat());
    let trace: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let rows: Vec<&str> =
        events.iter().filter(|e| e["name"] == "thread_name").map(|e| e["args"]["name"].as_str().unwrap()).collect();
    assert!(rows.contains(&"decisions") && rows.iter().any(|row| row.contains("worker")), "{rows:?}");
    let chosen = report["plan"]["chosen"].as_str().unwrap();
    let process = events.iter().find(|e| e["name"] == "process_name" && e["args"]["name"] == chosen).unwrap();
    let items: u64 = events
        .iter()
        .filter(|e| e["pid"] == process["pid"] && e["args"]["doing"] == "kernel")
        .map(|e| e["args"]["items"].as_u64().unwrap())
        .sum();
    assert_eq!(items, 1_000_000, "every chunk of the last run is there once");
}

/// What a planner is told without converting anything is what the steps themselves say.
#[test]
fn an_outline_says_what_the_steps_say() {
    let mut compared = 0;
    for workload in WORKLOADS {
        for (name, job) in workload.sized(100, &Context { seed: 3 }).expect("small jobs fit") {
            for precision in job.precisions() {
                let input = job.input();
                let of = |steps: &[Step<'_>]| {
                    Demand::of(workload.name(), (input.items, input.item), steps, job.stays_on_cpu(), true)
                };
                let (outline, steps) = (job.outline(*precision).unwrap(), job.steps(*precision).unwrap());
                assert_eq!(of(&outline), of(&steps), "{} {name} in {}", workload.name(), precision.name());
                compared += 1;
            }
        }
    }
    assert!(compared > WORKLOADS.len());
}
