//! Which form a report takes: those of one job, or those of a batch.

use super::style::Style;
use super::{Report, batch, csv, json, markdown, table};

/// The report in the form of this name: `json`, `csv`, `markdown`; any other is the table for people.
#[must_use]
pub fn form(report: &Report, name: &str, style: Style) -> String {
    match (name, &report.batch) {
        ("json", _) => json::json(report),
        ("csv", None) => csv::csv(report),
        ("csv", Some(cases)) => batch::csv(report, cases),
        ("markdown", None) => markdown::markdown(report),
        ("markdown", Some(cases)) => batch::markdown(report, cases),
        (_, None) => table::table(report, style),
        (_, Some(cases)) => batch::table(report, cases, style),
    }
}
