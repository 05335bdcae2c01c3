//! The gate as `JUnit` XML: a rule is a test case, so that a build server shows what tripped.
//!
//! A rule that fails is a failure, one that is undecided an error. Two cases more hold what else can end a run with exit code 3.

use super::{numbers, words};
use crate::findings::{Change, Comparison, GateRule, Outcome, Report, Role, Row, Trend, Verdict};
use std::fmt::Write as _;

/// A test case: its name, and what is wrong with it.
struct Case {
    name: String,
    ending: Ending,
}

enum Ending {
    Pass,
    Failure(String),
    Error(String),
}

pub(super) fn render(report: &Report) -> String {
    let mut cases: Vec<_> = report.gate.rules.iter().map(rule).collect();
    cases.push(conclusive(report));
    cases.push(instruments(report));
    let reasons = report.gate.reasons.iter().cloned();
    let summary = format!(
        "exit code {}: {}",
        report.gate.exit_code,
        words::exit_code(report.gate.exit_code)
    );
    let told: Vec<String> = [summary].into_iter().chain(reasons).collect();
    suite(&report.name, &cases, &told)
}

/// A comparison: a row that became worse is a failure, one that cannot be compared an error.
pub(super) fn comparison(comparison: &Comparison) -> String {
    let audited = comparison.changes.iter().filter(|c| c.role == Role::Audit);
    let cases: Vec<Case> = audited.map(changed).collect();
    let names: Vec<&str> = comparison
        .runs
        .iter()
        .map(|run| run.name.as_str())
        .collect();
    let told = [format!("runs: {}", names.join(", "))];
    suite("comparison", &cases, &told)
}

fn changed(change: &Change) -> Case {
    let number = |value| numbers::number(value).replace(numbers::NBSP, " ");
    let message = format!(
        "{}: difference {}, interval {}, adjusted p {}{}",
        words::trend(change.trend),
        number(change.difference),
        numbers::interval(change.ci_low, change.ci_high, false),
        numbers::p_value(change.p_adjusted, None),
        change
            .note
            .as_ref()
            .map_or_else(String::new, |note| format!(", {note}"))
    );
    Case {
        name: format!(
            "run {}: {} {}, phase {} {}",
            change.run + 1,
            words::probe(change.probe),
            words::statistic(&change.statistic),
            change.phase,
            change.prefix
        ),
        ending: match change.trend {
            Trend::Worse => Ending::Failure(message),
            Trend::NotComparable => Ending::Error(message),
            Trend::Better | Trend::NotShown => Ending::Pass,
        },
    }
}

fn suite(name: &str, cases: &[Case], told: &[String]) -> String {
    let count = |wanted: fn(&Ending) -> bool| cases.iter().filter(|c| wanted(&c.ending)).count();
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\"",
        cases.len(),
        count(|ending| matches!(ending, Ending::Failure(_))),
        count(|ending| matches!(ending, Ending::Error(_)))
    );
    let name = escape(name);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"unsaid\" {counts}>\n"
    );
    let _ = writeln!(text, "  <testsuite name=\"unsaid {name}\" {counts}>");
    for case in cases {
        text.push_str(&element(case, &name));
    }
    let told: Vec<String> = told.iter().map(|line| escape(line)).collect();
    let told = told.join("\n") + "\n";
    let _ = writeln!(text, "    <system-out>{told}</system-out>");
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

fn element(case: &Case, class: &str) -> String {
    let open = format!(
        "    <testcase classname=\"{class}\" name=\"{}\"",
        escape(&case.name)
    );
    match &case.ending {
        Ending::Pass => format!("{open}/>\n"),
        Ending::Failure(message) => format!(
            "{open}>\n      <failure message=\"{}\"/>\n    </testcase>\n",
            escape(message)
        ),
        Ending::Error(message) => format!(
            "{open}>\n      <error message=\"{}\"/>\n    </testcase>\n",
            escape(message)
        ),
    }
}

fn rule(rule: &GateRule) -> Case {
    let limit = rule
        .limit
        .map(|limit| format!(", limit {limit}"))
        .unwrap_or_default();
    let interval = rule
        .interval
        .map(|[low, high]| format!(", interval {low} to {high}"))
        .unwrap_or_default();
    let margin = super::summary::rule_margin(rule)
        .map(|margin| format!(": {margin}"))
        .unwrap_or_default();
    let message = format!("{}{limit}{interval}{margin}", words::outcome(rule.outcome));
    let ending = match rule.outcome {
        Outcome::Pass => Ending::Pass,
        Outcome::Fail => Ending::Failure(message),
        Outcome::Undecided => Ending::Error(message),
    };
    Case {
        name: super::summary::rule_name(rule),
        ending,
    }
}

/// Without this case a run that ends with 3 because of an inconclusive row would be all green.
fn conclusive(report: &Report) -> Case {
    let open = report.rows.iter().filter(|row| {
        row.role == Role::Audit && row.gated && row.verdict == Some(Verdict::Inconclusive)
    });
    Case {
        name: "gated rows are conclusive".to_owned(),
        ending: error_of("inconclusive", open),
    }
}

/// Where the gate passed, the instrument that failed was none that it requires.
fn instruments(report: &Report) -> Case {
    let failed = report
        .rows
        .iter()
        .filter(|row| row.passed == Some(false) && !report.gate.passed);
    Case {
        name: "instruments".to_owned(),
        ending: error_of("failed", failed),
    }
}

fn error_of<'a>(what: &str, rows: impl Iterator<Item = &'a Row>) -> Ending {
    let names: Vec<_> = rows.map(row_name).collect();
    if names.is_empty() {
        Ending::Pass
    } else {
        Ending::Error(format!("{what}: {}", names.join("; ")))
    }
}

fn row_name(row: &Row) -> String {
    format!(
        "{} {} {}, {}",
        words::role(row.role),
        words::probe(row.probe),
        words::statistic(&row.statistic),
        words::place(row)
    )
}

/// Text for XML. Control characters cannot stand in it, even escaped.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in words::clean(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            numbers::NBSP => escaped.push(' '),
            '\u{fffe}' | '\u{ffff}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_sample() {
        insta::assert_snapshot!(render(&sample::report()));
    }

    #[test]
    fn what_the_gate_says_is_what_the_build_server_sees() {
        let mut report = sample::report();
        report.gate.rules[0].outcome = Outcome::Fail;
        report.gate.rules[0].rule = "a < \"b\" & \u{1b}\u{0}'c'".to_owned();
        let text = render(&report);
        assert!(
            text.contains("name=\"a &lt; &quot;b&quot; &amp; &apos;c&apos;\""),
            "{text}"
        );
        assert!(text.contains("<failure message=\"FAILED\"/>"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{0}']));
    }

    #[test]
    fn a_failed_instrument_is_an_error_where_the_gate_did_not_pass() {
        let mut report = sample::report();
        for row in &mut report.rows {
            row.passed = row.passed.map(|_| false);
        }
        assert!(render(&report).contains("<error message=\"failed: positive control"));
        report.gate.passed = true;
        assert!(!render(&report).contains("\"failed: "));
    }
}
