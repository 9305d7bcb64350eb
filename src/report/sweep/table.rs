//! The comparison on a terminal: the backends, every row, the curves, the break-even sizes, what changed, what is
//! wrong.

use super::{Against, Start, Sweep, answer, curves};
use crate::measure::breakeven::BreakEven;
use crate::measure::stats::Verdict;
use crate::report::style::{Cell, Grid, Paint, Style, WIDTH, shorten, wrap};
use crate::report::table::{adapter, machine, ratio};
use crate::units::{grouped, plural, seconds, seconds_range, si};

/// The whole comparison as text for people.
#[must_use]
pub fn table(sweep: &Sweep, style: Style) -> String {
    let mut out = String::new();
    header(&mut out, sweep, style);
    backends(&mut out, sweep, style);
    rows(&mut out, sweep, style);
    out.push_str(&curves::chart(sweep, style));
    break_even(&mut out, sweep, style);
    if let Some(before) = &sweep.against {
        against(&mut out, sweep, before, style);
    }
    out
}

fn header(out: &mut String, sweep: &Sweep, style: Style) {
    let name = style.paint(&style.clean(&sweep.workload), Paint::Head);
    let sizes = sweep.sizes();
    let range = match (sizes.first(), sizes.last()) {
        (Some(first), Some(last)) if first < last => format!("{} to {}", grouped(*first), grouped(*last)),
        (Some(only), _) => grouped(*only),
        _ => "no size".into(),
    };
    let rest = format!(": {}, {range} {}, seed {}", sweep.variant, plural(&sweep.item, 2), sweep.seed);
    out.push_str(&name);
    out.push_str(&shorten(&style.clean(&rest), WIDTH.saturating_sub(sweep.workload.chars().count()), style));
    out.push('\n');
    wrap(out, "machine  ", &style.clean(&machine(&sweep.machine)));
    out.push('\n');
}

fn backends(out: &mut String, sweep: &Sweep, style: Style) {
    if sweep.backends.is_empty() {
        return;
    }
    let mut grid = Grid::new(style, &["backend", "-threads", "precision", "-opened in", "-compiled in"]);
    for backend in &sweep.backends {
        grid.row(vec![
            backend.facts.id.as_str().into(),
            backend.facts.threads.to_string().into(),
            backend.precision.name().into(),
            seconds(backend.open).into(),
            if backend.compile == 0.0 { "-".into() } else { seconds(backend.compile).into() },
        ]);
        if let Some(facts) = &backend.facts.adapter {
            grid.note(&adapter(facts), if facts.software { Paint::Warn } else { Paint::Plain });
        }
    }
    grid.write(out);
    out.push('\n');
}

/// `10_000_000`; from 1e10 on three digits: `25.0 G`.
fn size(items: u64) -> String {
    if items < 10_000_000_000 { grouped(items) } else { si(items as f64) }
}

/// The colour of a verdict.
fn paint(verdict: Verdict) -> Paint {
    match verdict {
        Verdict::Faster => Paint::Good,
        Verdict::Slower => Paint::Warn,
        Verdict::Same | Verdict::Unclear => Paint::Plain,
    }
}

/// The heading of intervals: what they cover, less than 95 % when there were few runs.
fn interval_heading(name: &str, coverages: impl Iterator<Item = f64>) -> String {
    match coverages.fold(1.0, f64::min) {
        0.0 => name.to_string(),
        least if least < 0.95 => format!("{name} [{:.0} %]", (100.0 * least).floor()),
        _ => format!("{name} [95 %]"),
    }
}

/// `elements`; `items` for an item with a long name.
fn items_heading(sweep: &Sweep) -> String {
    plural(Some(sweep.item.as_str()).filter(|item| item.len() <= 10).unwrap_or("item"), 2)
}

fn rows(out: &mut String, sweep: &Sweep, style: Style) {
    if sweep.rows.is_empty() {
        return;
    }
    let items = format!("-{}", items_heading(sweep));
    let warm = interval_heading("warm", sweep.rows.iter().filter_map(|row| row.warm_seconds).map(|s| s.coverage));
    let against = format!("vs {} [interval]", sweep.baseline);
    let mut grid = Grid::new(style, &[&items, "backend", &warm, "-kernel only", &against, "verdict"]);
    let mut last = None;
    for row in &sweep.rows {
        let items = if last == Some(row.items) { String::new() } else { size(row.items) };
        last = Some(row.items);
        let mut cells: Vec<Cell> = vec![items.into(), row.backend.as_str().into()];
        match row.warm_seconds {
            Some(warm) => {
                cells.push(seconds_range(warm.median, warm.low, warm.high).into());
                cells.push(row.kernel_seconds.map_or_else(|| "-".into(), |s| seconds(s.median).into()));
            }
            None => cells.extend([Cell::painted("void: FAILED ITS CHECK", Paint::Bad), "-".into()]),
        }
        match &row.speedup.warm {
            Some(r) => {
                cells.push(ratio(r, style.times()).into());
                cells.push(Cell::painted(r.verdict.word(), paint(r.verdict)));
            }
            None => cells.extend(["".into(), "".into()]),
        }
        grid.row(cells);
    }
    grid.write(out);
    let checked = sweep.rows.iter().filter(|row| row.verify.passed()).count();
    wrap(out, "", &format!("{checked} of {} rows verified against the f64 reference", sweep.rows.len()));
    out.push('\n');
}

fn break_even(out: &mut String, sweep: &Sweep, style: Style) {
    if sweep.break_even.is_empty() {
        return;
    }
    let from = format!("{} [interval]", items_heading(sweep));
    let mut grid = Grid::new(style, &[&format!("faster than {} from", sweep.baseline), "start", &from]);
    for row in &sweep.break_even {
        let paint = match row.answer {
            BreakEven::Already { .. } | BreakEven::At { .. } => Paint::Good,
            BreakEven::Never { .. } => Paint::Warn,
            BreakEven::Unclear { .. } | BreakEven::NotMeasured => Paint::Plain,
        };
        let first = if row.start == Start::ALL[0] { row.backend.as_str() } else { "" };
        grid.row(vec![first.into(), row.start.title().into(), Cell::painted(answer(&row.answer), paint)]);
    }
    grid.write(out);
}

fn against(out: &mut String, sweep: &Sweep, against: &Against, style: Style) {
    out.push('\n');
    let file = shorten(&style.clean(&against.file), WIDTH - 30, style);
    wrap(out, "", &format!("against {file}, hetero {}", style.clean(&against.version)));
    if !against.rows.is_empty() {
        let items = format!("-{}", items_heading(sweep));
        let headings =
            [items.as_str(), "backend", "precision", "-before", "-now", "ratio [interval]", "verdict", "-measured"];
        let mut grid = Grid::new(style, &headings);
        for row in &against.rows {
            grid.row(vec![
                size(row.items).into(),
                row.backend.as_str().into(),
                row.precision.as_str().into(),
                seconds(row.before.median).into(),
                seconds(row.now.median).into(),
                ratio(&row.ratio, style.times()).into(),
                Cell::painted(row.ratio.verdict.word(), paint(row.ratio.verdict)),
                format!("{}{}", row.measured, style.times()).into(),
            ]);
        }
        grid.write(out);
        for line in against.summary_lines(style.times()) {
            wrap(out, "", &line);
        }
    }
    for (which, names) in [("before", &against.only_before), ("now", &against.only_now)] {
        if !names.is_empty() {
            wrap(out, &format!("only {which}: "), &style.clean(&names.join(", ")));
        }
    }
}
