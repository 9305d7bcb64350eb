//! The speedup curves as text, log over log: one letter-high chart that fits a terminal.

use super::{Start, Sweep};
use crate::report::style::Style;
use crate::units::si;

/// Columns and lines of the plot itself, and the columns of the numbers before it.
const COLUMNS: usize = 64;
const LINES: usize = 11;
const LABEL: usize = 8;

/// Marks of the backends, in order; they repeat when there are more.
const MARKS: [char; 6] = ['●', '▲', '■', '◆', '○', '△'];
const ASCII_MARKS: [char; 6] = ['o', '^', '#', '*', '+', 'x'];

/// A linear map from the logarithm of a range to `0..=steps`.
struct Scale {
    low: f64,
    high: f64,
    steps: usize,
}

impl Scale {
    fn at(&self, value: f64) -> usize {
        let share = (value.ln() - self.low) / (self.high - self.low);
        (share * self.steps as f64).round().clamp(0.0, self.steps as f64) as usize
    }
}

/// The warm speedups over the baseline against the size; nothing when fewer than two sizes have one.
#[must_use]
pub fn chart(sweep: &Sweep, style: Style) -> String {
    let curve = |id: &str| -> Vec<(f64, f64)> {
        let rows = sweep.rows.iter().filter(|row| row.backend == id);
        let points = rows.filter_map(|row| Some((row.items as f64, row.speedup(Start::Warm)?.ratio)));
        points.filter(|(x, y)| *x > 0.0 && *y > 0.0 && y.is_finite()).collect()
    };
    let others = sweep.backends.iter().map(|backend| backend.facts.id.as_str()).filter(|id| *id != sweep.baseline);
    let curves: Vec<(&str, Vec<(f64, f64)>)> = others.map(|id| (id, curve(id))).collect();
    let all = || curves.iter().flat_map(|(_, points)| points);
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, 0.0f64), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (left, right) = range(&mut all().map(|point| point.0));
    if left >= right {
        return String::new();
    }
    // The line of the baseline is always there, and some room around a curve that hugs it.
    let (bottom, top) = range(&mut all().map(|point| point.1).chain([0.8, 1.25]));
    let x = Scale { low: left.ln(), high: right.ln(), steps: COLUMNS - 1 };
    let y = Scale { low: bottom.ln(), high: top.ln(), steps: LINES - 1 };
    let mut plot = vec![[' '; COLUMNS]; LINES];
    let one = LINES - 1 - y.at(1.0);
    plot[one] = [if style.ascii { '-' } else { '─' }; COLUMNS];
    let mut names: Vec<Vec<&str>> = vec![Vec::new(); LINES];
    names[one].push(&sweep.baseline);
    for (id, points) in &curves {
        let dot = if style.ascii { '.' } else { '·' };
        for pair in points.windows(2) {
            let (from, to) = (x.at(pair[0].0), x.at(pair[1].0));
            for column in from..=to {
                let share = (column - from) as f64 / (to - from).max(1) as f64;
                let value = (pair[0].1.ln() * (1.0 - share) + pair[1].1.ln() * share).exp();
                let line = &mut plot[LINES - 1 - y.at(value)];
                line[column] = dot;
            }
        }
        if let Some((_, last)) = points.last() {
            names[LINES - 1 - y.at(*last)].push(id);
        }
    }
    // No line covers a mark.
    for (i, (_, points)) in curves.iter().enumerate() {
        let marks = if style.ascii { ASCII_MARKS } else { MARKS };
        for (size, ratio) in points {
            plot[LINES - 1 - y.at(*ratio)][x.at(*size)] = marks[i % marks.len()];
        }
    }
    draw(&plot, &names, sweep, style, [left, right], [bottom, top], one)
}

fn draw(
    plot: &[[char; COLUMNS]],
    names: &[Vec<&str>],
    sweep: &Sweep,
    style: Style,
    [left, right]: [f64; 2],
    [bottom, top]: [f64; 2],
    one: usize,
) -> String {
    let mut out = format!("speedup over {}, warm, both axes logarithmic\n", sweep.baseline);
    let times = style.times();
    let (edge, corner, rule) = if style.ascii { ('|', '+', "-") } else { ('│', '└', "─") };
    for (i, line) in plot.iter().enumerate() {
        let label = match i {
            _ if i == one => format!("1{times}"),
            0 => format!("{}{times}", short(top)),
            _ if i == plot.len() - 1 => format!("{}{times}", short(bottom)),
            _ => String::new(),
        };
        let text: String = line.iter().collect();
        let row = format!("{label:>LABEL$} {edge}{text} {}", style.clean(&names[i].join(", ")));
        out.push_str(row.trim_end());
        out.push('\n');
    }
    out.push_str(&format!("{:LABEL$} {corner}{}\n", "", rule.repeat(COLUMNS)));
    let (first, last) = (si(left), si(right));
    let middle = si((left * right).sqrt());
    let half = COLUMNS / 2;
    let rest = COLUMNS - half;
    let space = " ".repeat(LABEL + 2);
    out.push_str(&format!("{space}{first:<half$}{middle:<0$}{last}\n\n", rest - last.len()));
    out
}

/// A ratio in two or three digits.
fn short(ratio: f64) -> String {
    let decimals = [9.95, 0.995, 0.0995, 0.00995].iter().position(|limit| ratio >= *limit).unwrap_or(4);
    format!("{ratio:.decimals$}")
}
