//! The independent check of `fetch`: every file has as many bytes as its `Content-Length` says, and from a server of our own
//! exactly the bytes that it must have sent; and the report's sums are those of the files.

use sha2::{Digest, Sha256};

use super::job::{FetchJob, Round, State};
use crate::error::Result;
use crate::job::{Answer, Check, Output};
use crate::net::loopback::Files;
use crate::net::{get, shown};

/// URLs that `--verify-twice` fetches again.
const AGAIN: usize = 8;

/// Counts what is wrong.
#[derive(Default)]
struct Wrong {
    count: u64,
    first: String,
}

impl Wrong {
    fn add(&mut self, what: impl FnOnce() -> String) {
        if self.count == 0 {
            self.first = what();
        }
        self.count += 1;
    }
}

pub(super) fn check(job: &FetchJob, state: &State, outputs: &[Output], answer: &Answer) -> Result<Check> {
    let urls = job.from.urls()?;
    let mut wrong = Wrong::default();
    let own = job.from.files();
    let expected: Option<Vec<[u8; 32]>> =
        own.map(|files| (0..urls.len() as u64).map(|index| Sha256::digest(sent(files, index)).into()).collect());
    for (round, output) in state.rounds.iter().zip(outputs) {
        files(round, urls, expected.as_deref(), output, &mut wrong);
    }
    if let Some(last) = state.rounds.last() {
        let sums = [("bytes", last.files.iter().map(|file| file.bytes).sum()), ("failed", last.failed())];
        for (name, sum) in sums {
            let told = answer.json.get(name).and_then(serde_json::Value::as_u64);
            if told != Some(sum) {
                wrong.add(|| format!("the report says {told:?} for {name}, the files say {sum}"));
            }
        }
        if job.wanted.verify_twice {
            again(last, urls, &mut wrong);
        }
    }
    let what = match (own.is_some(), job.wanted.verify_twice) {
        (true, _) => "files that differ from what the server must have sent",
        (false, true) => "files that differ from their Content-Length or from a second fetch",
        (false, false) => "files that differ from their Content-Length",
    };
    Ok(Check { what: what.into(), error: wrong.count as f64, bound: 0.0, detail: wrong.first })
}

/// The files of one mode.
fn files(round: &Round, urls: &[String], expected: Option<&[[u8; 32]]>, output: &Output, wrong: &mut Wrong) {
    let (statuses, bytes) = (output.column::<u32>(0), output.column::<f64>(1));
    for (i, (file, url)) in round.files.iter().zip(urls).enumerate() {
        let mode = round.mode.name();
        if file.declared.is_some_and(|declared| declared != file.bytes) {
            wrong.add(|| format!("{} ({mode}) has {} bytes of {:?}", shown(url), file.bytes, file.declared));
        } else if u32::from(file.status) != statuses[i] || file.bytes as f64 != bytes[i] {
            wrong.add(|| format!("{} ({mode}): the columns say {} and {} bytes", shown(url), statuses[i], bytes[i]));
        } else if let Some(failure) = file.failure.as_ref().filter(|_| expected.is_some()) {
            wrong.add(|| format!("file {i} ({mode}) did not come: {failure}"));
        } else if expected.is_some_and(|expected| file.sha256 != Some(expected[i])) {
            wrong.add(|| format!("file {i} ({mode}) has other bytes than the server's seed gives"));
        }
    }
}

/// Fetches some files once more.
fn again(round: &Round, urls: &[String], wrong: &mut Wrong) {
    let step = urls.len().div_ceil(AGAIN).max(1);
    for (url, file) in urls.iter().zip(&round.files).step_by(step).filter(|(_, file)| file.sha256.is_some()) {
        match get(url) {
            Ok(body) if file.sha256 == Some(Sha256::digest(&body).into()) => {}
            Ok(body) => wrong.add(|| format!("{} gave {} other bytes the second time", shown(url), body.len())),
            Err(error) => wrong.add(|| format!("the second time: {error}")),
        }
    }
}

/// The bytes of file `index`: word `k` is SplitMix64's mix of `seed + (index + k + 1) * gamma`, told here word by word where
/// the server runs through its states.
fn sent(files: Files, index: u64) -> Vec<u8> {
    const GAMMA: u128 = 0x9E37_79B9_7F4A_7C15;
    let word = |k: u128| {
        let mut z = (u128::from(files.seed) + (u128::from(index) + k + 1) * GAMMA) as u64;
        for (shift, factor) in [(30, 0xBF58_476D_1CE4_E5B9_u64), (27, 0x94D0_49BB_1331_11EB), (31, 1)] {
            z ^= z >> shift;
            z = z.wrapping_mul(factor);
        }
        z
    };
    let words = files.size.div_ceil(8) as u128;
    (0..words).flat_map(|k| word(k).to_le_bytes()).take(files.size).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::net::loopback::contents;

    #[test]
    fn the_server_sends_what_the_formula_says() {
        for (seed, index, size) in [(0, 0, 16), (42, 7, 1000), (u64::MAX, u64::MAX / 2, 3), (1, 2, 0)] {
            let files = Files { latency: Duration::ZERO, size, seed };
            assert_eq!(sent(files, index), contents(files, index));
        }
        // SplitMix64's published first value for seed 0.
        let first = Files { latency: Duration::ZERO, size: 8, seed: 0 };
        assert_eq!(sent(first, 0), 0xE220_A839_7B1D_CDAF_u64.to_le_bytes());
    }
}
