//! The WGSL form: one `let` a step, in f32. No name of the user's gets into the text.

use std::fmt::Write;

use super::{Op, Operand, Program};

/// The functions that [`Program::wgsl`] calls; they need `common/dispatch.wgsl` and the uniform `params` that begins with
/// its `struct Dispatch`.
pub const FUNCTIONS_WGSL: &str = include_str!("../../../shaders/common/elementary.wgsl");

impl Program {
    /// Statements that compute the program from `x0`, `x1` ... (the variables, as f32) and the expression of the result.
    ///
    /// Sums and differences pass through `opaque`, so that no compiler regroups them: the error bound counts on their order.
    #[must_use]
    pub fn wgsl(&self) -> (String, String) {
        let mut text = String::new();
        for (i, step) in self.steps.iter().enumerate() {
            let [a, b, c] = step.of.map(operand);
            let value = match step.op {
                Op::Negate => format!("-{a}"),
                Op::Not => format!("select(0.0, 1.0, {a} == 0.0)"),
                Op::Add => format!("kept({a} + {b})"),
                Op::Subtract => format!("kept({a} - {b})"),
                Op::Multiply => format!("{a} * {b}"),
                Op::Divide => format!("{a} / {b}"),
                Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual | Op::Equal | Op::NotEqual => {
                    format!("select(0.0, 1.0, {a} {} {b})", step.op.name())
                }
                Op::And => format!("select(0.0, 1.0, {a} != 0.0 && {b} != 0.0)"),
                Op::Or => format!("select(0.0, 1.0, {a} != 0.0 || {b} != 0.0)"),
                Op::Where => format!("select({c}, {b}, {a} != 0.0)"),
                Op::Abs => format!("abs({a})"),
                Op::Floor => format!("floor({a})"),
                Op::Ceil => format!("ceil({a})"),
                Op::Sqrt => format!("sqrt({a})"),
                Op::Modulo => format!("f_modulo({a}, {b})"),
                Op::Power => format!("f_power({a}, {b})"),
                Op::Min => format!("f_min({a}, {b})"),
                Op::Max => format!("f_max({a}, {b})"),
                Op::Arctan2 => format!("f_arctan2({a}, {b})"),
                called => format!("f_{}({a})", called.name()),
            };
            let _ = writeln!(text, "    let v{i} = {value};");
        }
        (text, operand(self.result))
    }
}

fn operand(operand: Operand) -> String {
    match operand {
        Operand::Step(step) => format!("v{step}"),
        Operand::Variable(variable) => format!("x{variable}"),
        Operand::Number(number) => match number as f32 {
            // WGSL has no text for these.
            x if x.is_nan() => "not_a_number()".into(),
            x if x.is_infinite() => {
                if x > 0.0 {
                    "infinite()".into()
                } else {
                    "(-infinite())".into()
                }
            }
            x => format!("({x:?}f)"),
        },
    }
}
