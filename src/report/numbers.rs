//! Numbers as text: one copy for every format. Undefined, NaN and infinite are all "n/a".

use crate::findings::{IntervalOf, Row};

/// What stands where a value does not exist.
pub(super) const NA: &str = "n/a";

/// A space at which no line breaks, between a number and its unit.
pub(super) const NBSP: char = '\u{a0}';

fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|number| number.is_finite())
}

/// A true minus sign, and none before zero.
fn signed(text: &str) -> String {
    match text.strip_prefix('-') {
        Some(digits) if digits.chars().any(|digit| ('1'..='9').contains(&digit)) => {
            format!("−{digits}")
        }
        Some(digits) => digits.to_owned(),
        None => text.to_owned(),
    }
}

/// Three significant digits, or so: as many decimals as the size of the number leaves sense in.
pub(super) fn number(value: Option<f64>) -> String {
    let Some(value) = finite(value) else {
        return NA.to_owned();
    };
    let size = value.abs();
    signed(&if size == 0.0 {
        "0".to_owned()
    } else if (1e-3..1.0).contains(&size) {
        let decimals = if size >= 0.1 { 3 } else { 4 };
        format!("{value:.decimals$}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned()
    } else if !(1e-3..1e6).contains(&size) {
        format!("{value:.1e}")
    } else if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    })
}

/// A probability that is an estimate, such as an AUC: three decimals.
pub(super) fn proportion(value: Option<f64>) -> String {
    finite(value).map_or_else(|| NA.to_owned(), |value| signed(&format!("{value:.3}")))
}

/// A share in percent.
pub(super) fn share(value: Option<f64>) -> String {
    finite(value).map_or_else(
        || NA.to_owned(),
        |value| format!("{}{NBSP}%", percent_digits(value)),
    )
}

fn percent_digits(fraction: f64) -> String {
    let percent = fraction * 100.0;
    let decimals = usize::from(percent.abs() < 10.0 && percent != 0.0);
    signed(&format!("{percent:.decimals$}"))
}

/// With a plus sign where it is positive.
fn plus(text: String, value: f64) -> String {
    if value > 0.0 {
        format!("+{text}")
    } else {
        text
    }
}

/// A difference, its sign always shown.
pub(super) fn signed_number(value: Option<f64>) -> String {
    plus(number(value), finite(value).unwrap_or(0.0))
}

/// A p-value. `floor`: the smallest the test could give; a p-value equal to it is a bound. A p-value of 0 is never printed.
pub(super) fn p_value(value: Option<f64>, floor: Option<f64>) -> String {
    let Some(value) = finite(value) else {
        return NA.to_owned();
    };
    let at_floor = finite(floor).is_some_and(|floor| value <= floor * (1.0 + 1e-9));
    if value <= 0.0 {
        // An underflow, or a test that should have given a floor.
        return finite(floor)
            .filter(|floor| *floor > 0.0)
            .map_or_else(|| format!("<{NBSP}1e-300"), bound);
    }
    if at_floor {
        bound(value)
    } else {
        p_digits(value)
    }
}

/// The adjusted p-value of a row: a bound where the p-value that it was made from is one.
pub(super) fn p_adjusted(row: &Row) -> String {
    let is_bound = matches!((finite(row.p_value), finite(row.p_floor)), (Some(p), Some(floor)) if p <= floor * (1.0 + 1e-9));
    match finite(row.p_adjusted) {
        Some(adjusted) if is_bound && adjusted < 1.0 => p_value(Some(adjusted), Some(adjusted)),
        adjusted => p_value(adjusted, None),
    }
}

fn p_digits(value: f64) -> String {
    if value >= 0.1 {
        format!("{value:.2}")
    } else if value >= 0.001 {
        format!("{value:.3}")
    } else {
        short(&format!("{value:.1e}"))
    }
}

/// Rounded up: a bound that is rounded down is none.
fn bound(value: f64) -> String {
    let exponent = value.log10().floor();
    let mantissa = value / 10f64.powf(exponent);
    let up = ((mantissa * 10.0) - 1e-6).ceil() / 10.0;
    let digits = if value >= 0.1 {
        format!("{:.2}", (value * 100.0 - 1e-6).ceil() / 100.0)
    } else {
        short(&format!("{up:.1}e{exponent:.0}"))
    };
    format!("≤{NBSP}{digits}")
}

/// `1.0e-5` as `1e-5`.
fn short(text: &str) -> String {
    text.replace(".0e", "e")
}

/// Both ends, or n/a where one is missing. `as_proportion`: three decimals and a dash, which only numbers that are never negative can have.
pub(super) fn interval(low: Option<f64>, high: Option<f64>, as_proportion: bool) -> String {
    match (finite(low), finite(high)) {
        (Some(_), Some(_)) if as_proportion => format!("{}–{}", proportion(low), proportion(high)),
        (Some(_), Some(_)) => format!("{} to {}", number(low), number(high)),
        _ => NA.to_owned(),
    }
}

/// Whether the interval of the row is for the AUC; `None` where the row has none.
pub(super) fn interval_is_of_auc(row: &Row) -> Option<bool> {
    finite(row.ci_low).and(finite(row.ci_high))?;
    Some(row.ci_of == Some(IntervalOf::Auc))
}

/// The size of what was seen: guess advantage, suppression beyond the control's, or the difference to control or chance.
pub(super) fn effect(row: &Row) -> String {
    if let Some(advantage) = finite(row.guess_advantage) {
        return plus(format!("{}{NBSP}%", percent_digits(advantage)), advantage);
    }
    if let Some(nats) = finite(row.suppression_nats) {
        let nats = nats - finite(row.control_estimate).unwrap_or(0.0);
        return plus(format!("{}{NBSP}nats", number(Some(nats))), nats);
    }
    match (
        finite(row.estimate),
        finite(row.control_estimate.or(row.chance)),
    ) {
        (Some(estimate), Some(against)) => {
            let difference = estimate - against;
            plus(number(Some(difference)), difference)
        }
        _ => NA.to_owned(),
    }
}

/// An interval's level in percent, as `95`.
pub(super) fn level(level: f64) -> String {
    let percent = format!("{:.2}", level * 100.0);
    percent
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_or_so() {
        let shown: Vec<_> = [
            0.0, -0.0, 23.14159, -3.2581, 0.5134, 0.0385, 0.25, -0.013, 1234.6, 3.2e-7, -0.000_4,
        ]
        .map(|value| number(Some(value)))
        .into();
        assert_eq!(
            shown,
            [
                "0",
                "0",
                "23.1",
                "−3.26",
                "0.513",
                "0.0385",
                "0.25",
                "−0.013",
                "1235",
                "3.2e-7",
                "−4.0e-4"
            ]
        );
    }

    #[test]
    fn the_undefined_is_not_a_number() {
        for value in [None, Some(f64::NAN), Some(f64::INFINITY)] {
            assert_eq!(number(value), NA);
            assert_eq!(proportion(value), NA);
            assert_eq!(share(value), NA);
            assert_eq!(p_value(value, None), NA);
            assert_eq!(interval(value, Some(1.0), true), NA);
        }
    }

    #[test]
    fn a_p_value_at_its_floor_is_a_bound_and_never_zero() {
        let shown = |p, floor| p_value(Some(p), floor).replace(NBSP, " ");
        assert_eq!(shown(1e-5, Some(1e-5)), "≤ 1e-5");
        assert_eq!(shown(1.0 / 3.0, Some(1.0 / 3.0)), "≤ 0.34");
        assert_eq!(
            shown(1.0 / 2401.0, Some(1.0 / 2401.0)),
            "≤ 4.2e-4",
            "rounded up"
        );
        assert_eq!(shown(2e-5, Some(1e-5)), "2e-5");
        assert_eq!(shown(0.0, None), "< 1e-300");
        assert_eq!(shown(0.0, Some(1e-5)), "≤ 1e-5");
        assert_eq!(shown(0.0321, None), "0.032");
        assert_eq!(shown(1.0, None), "1.00");
    }

    #[test]
    fn an_advantage_is_in_percent() {
        assert_eq!(percent_digits(0.132), "13");
        assert_eq!(percent_digits(2.3), "230");
        assert_eq!(percent_digits(-0.022), "−2.2");
        assert_eq!(level(0.95), "95");
        assert_eq!(level(0.995), "99.5");
    }
}
