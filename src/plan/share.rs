//! Sharing the items of one kernel among backends of different speeds: how many the next chunk of each one holds.
//! Arithmetic on what was seen so far; the chunk loop asks and tells.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::ChunkRule;

/// A lane's chunk is at most this part of what it will still get. A device has two chunks in flight: when it dies or becomes
/// several times as slow, at most a sixteenth of its work has to be done again or waited for.
const PARTS: f64 = 32.0;

/// A lane's chunk is at most this many times what it did so far: a speed that was expected wrongly is corrected before
/// anything long is started.
const GROWTH: f64 = 1.0;

/// Weight of the newest chunk in a backend's speed: a change is believed after two or three chunks.
const NEWEST: f64 = 0.5;

/// A backend whose turn would be shorter than this part of its smallest efficient chunk leaves the rest to the others.
const WORTH: f64 = 0.25;

/// The backends of one step. Lanes of all of them ask and tell at the same time.
#[derive(Debug)]
pub struct Share {
    members: Vec<Member>,
}

/// What is known of a backend before it begins.
#[derive(Debug, Clone, Copy)]
pub struct Newcomer {
    /// How it cuts.
    pub rule: ChunkRule,
    /// How many chunks it computes side by side.
    pub lanes: usize,
    /// Seconds that a chunk should last at least, so that handing it out costs little.
    pub brief: f64,
    /// Items per second that it is expected to do.
    pub speed: Option<f64>,
}

#[derive(Debug)]
struct Member {
    rule: ChunkRule,
    /// Chunks that it computes side by side; a device's chunks in flight follow each other.
    lanes: f64,
    /// Seconds that a chunk lasts at least, unless less is left.
    brief: f64,
    /// Items per second of all lanes, as the bits of an f64; 0 while unknown.
    speed: AtomicU64,
    /// Items done so far.
    done: AtomicU64,
    gone: AtomicBool,
}

impl Member {
    fn speed(&self) -> f64 {
        f64::from_bits(self.speed.load(Ordering::Relaxed))
    }
}

/// What one member sees of all.
struct Team {
    /// Items per second of one of its lanes.
    lane: f64,
    /// Items per second of everybody.
    all: f64,
    /// Whether no lane of another member is faster.
    fastest: bool,
}

impl Share {
    /// The members.
    #[must_use]
    pub fn new(members: impl IntoIterator<Item = Newcomer>) -> Self {
        let member = |Newcomer { rule, lanes, brief, speed }: Newcomer| Member {
            rule,
            lanes: lanes.max(1) as f64,
            brief,
            speed: AtomicU64::new(speed.filter(|s| s.is_finite() && *s > 0.0).unwrap_or(0.0).to_bits()),
            done: AtomicU64::new(0),
            gone: AtomicBool::new(false),
        };
        Self { members: members.into_iter().map(member).collect() }
    }

    /// Items of the next chunk of a lane of member `me` when `remaining` are left: 0 when the rest is better left to the
    /// others. The member with the fastest lanes never gets 0 while anything is left.
    #[must_use]
    pub fn next(&self, me: usize, remaining: u64) -> u64 {
        let rule = &self.members[me].rule;
        // Alone, a backend is cut by its own rule.
        let Some(team) = self.team(me) else { return rule.next(remaining) };
        let round = |items: f64| (items as u64).max(1).div_ceil(rule.grain).saturating_mul(rule.grain).min(remaining);
        let (left, min) = (remaining as f64, rule.min as f64);
        if team.lane == 0.0 {
            // Nothing is known of it: the smallest chunk that tells something.
            return round(min);
        }
        let lanes = self.members[me].lanes;
        let seen = GROWTH * self.members[me].done.load(Ordering::Relaxed) as f64 / lanes;
        let even = left * team.lane / team.all;
        // Large at first, shrinking; at the end what lets everybody end together.
        let guided = (even / PARTS).max(even.min(team.lane * self.members[me].brief));
        let guided = guided.min(seen).clamp(min, rule.max.max(rule.min) as f64);
        let others = team.all - team.lane * lanes;
        if team.fastest || others <= 0.0 {
            return round(guided);
        }
        // What this lane can do until the others could have done everything: more would keep them waiting.
        let reach = left / others * team.lane;
        match guided {
            _ if remaining == 0 => 0,
            guided if guided <= reach => round(guided),
            _ if reach < WORTH * min => 0,
            _ => round(reach),
        }
    }

    /// The team as member `me` sees it; `None` when it is alone.
    fn team(&self, me: usize) -> Option<Team> {
        let lane = |member: &Member| member.speed() / member.lanes;
        let mine = &self.members[me];
        let mut team = Team { lane: lane(mine), all: mine.speed(), fastest: true };
        let mut alone = true;
        for (at, member) in self.members.iter().enumerate() {
            if at == me || member.gone.load(Ordering::Relaxed) {
                continue;
            }
            alone = false;
            team.all += member.speed();
            let theirs = lane(member);
            team.fastest &= theirs < team.lane || (theirs == team.lane && me < at);
        }
        (!alone).then_some(team)
    }

    /// Learns that a lane of `me` did `items` in `seconds`.
    pub fn learn(&self, me: usize, items: u64, seconds: f64) {
        let member = &self.members[me];
        if items == 0 || !seconds.is_finite() || seconds <= 0.0 || self.members.len() == 1 {
            return;
        }
        let (now, before) = (items as f64 / seconds * member.lanes, member.speed());
        // The mean of times, not of speeds: a chunk that took long counts as long.
        let speed = if before == 0.0 { now } else { 1.0 / (NEWEST / now + (1.0 - NEWEST) / before) };
        member.done.fetch_add(items, Ordering::Relaxed);
        // Two lanes may overwrite each other's: both saw a recent speed.
        member.speed.store(speed.to_bits(), Ordering::Relaxed);
    }

    /// Member `me` takes no more chunks.
    pub fn leave(&self, me: usize) {
        self.members[me].gone.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
