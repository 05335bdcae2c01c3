//! The gate as `JUnit` XML: a rule is a test case, so that a build server shows what tripped.
//!
//! A rule that fails is a failure, one that is undecided an error. Two more cases hold what else can end a run with exit code 3.

use crate::findings::{Change, Comparison, GateRule, Outcome, Report, Role, Row, Trend, Verdict};
use crate::report::error::ReportError;
use crate::report::sections::gate;
use crate::report::{numbers, words};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

pub(in crate::report) fn report(report: &Report) -> Result<String, ReportError> {
    let mut cases: Vec<_> = report.gate.rules.iter().map(rule).collect();
    cases.push(conclusive(report));
    cases.push(instruments(report));
    let code = report.gate.exit_code;
    let mut told = vec![format!("exit code {code}: {}", words::exit_code(code))];
    told.extend(report.gate.reasons.iter().cloned());
    written(&report.name, cases, &told)
}

/// A comparison: a row that became worse is a failure, one that cannot be compared an error.
pub(in crate::report) fn comparison(comparison: &Comparison) -> Result<String, ReportError> {
    let audited = comparison.changes.iter().filter(|c| c.role == Role::Audit);
    let names: Vec<&str> = comparison.runs.iter().map(|r| r.name.as_str()).collect();
    let told = [format!("runs: {}", names.join(", "))];
    written("comparison", audited.map(changed).collect(), &told)
}

fn written(name: &str, cases: Vec<TestCase>, told: &[String]) -> Result<String, ReportError> {
    let class = plain(name);
    let mut suite = TestSuite::new(format!("unsaid {class}"));
    for mut case in cases {
        case.set_classname(class.as_str());
        suite.add_test_case(case);
    }
    let told: String = told.iter().map(|line| plain(line) + "\n").collect();
    suite.set_system_out(told);
    let mut report = quick_junit::Report::new("unsaid");
    report.add_test_suite(suite);
    Ok(report.to_string()?)
}

/// A test case that passes, or does not for the reason in its message.
fn case(name: &str, ending: Option<(NonSuccessKind, String)>) -> TestCase {
    let status = ending.map_or_else(TestCaseStatus::success, |(kind, message)| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(plain(&message));
        status
    });
    TestCase::new(plain(name), status)
}

/// Text that XML can hold, in which every space is one.
fn plain(text: &str) -> String {
    words::clean(text)
        .replace(numbers::NBSP, " ")
        .replace(['\u{fffe}', '\u{ffff}'], "")
}

fn changed(change: &Change) -> TestCase {
    let note = change.note.iter().map(|note| format!(", {note}"));
    let message = format!(
        "{}: difference {}, interval {}, adjusted p {}{}",
        words::trend(change.trend),
        numbers::number(change.difference),
        numbers::interval(change.ci_low, change.ci_high, false),
        numbers::p_value(change.p_adjusted, None),
        note.collect::<String>()
    );
    let name = format!(
        "run {}: {} {}, phase {} {}",
        change.run + 1,
        words::probe(change.probe),
        words::statistic(&change.statistic),
        change.phase,
        change.prefix
    );
    let kind = match change.trend {
        Trend::Worse => Some(NonSuccessKind::Failure),
        Trend::NotComparable => Some(NonSuccessKind::Error),
        Trend::Better | Trend::NotShown => None,
    };
    case(&name, kind.map(|kind| (kind, message)))
}

fn rule(rule: &GateRule) -> TestCase {
    let parts = [
        rule.limit.map(|limit| format!(", limit {limit}")),
        rule.interval
            .map(|[low, high]| format!(", interval {low} to {high}")),
        gate::rule_margin(rule).map(|margin| format!(": {margin}")),
    ];
    let parts: String = parts.into_iter().flatten().collect();
    let message = format!("{}{parts}", words::outcome(rule.outcome));
    let kind = match rule.outcome {
        Outcome::Pass => None,
        Outcome::Fail => Some(NonSuccessKind::Failure),
        Outcome::Undecided => Some(NonSuccessKind::Error),
    };
    case(&gate::rule_name(rule), kind.map(|kind| (kind, message)))
}

/// Without this case a run that ends with 3 because of an inconclusive row would be all green.
fn conclusive(report: &Report) -> TestCase {
    let open = report.rows.iter().filter(|row| {
        row.role == Role::Audit && row.gated && row.verdict == Some(Verdict::Inconclusive)
    });
    without("gated rows are conclusive", "inconclusive", open)
}

/// Where the gate passed, the instrument that failed was none that it requires.
fn instruments(report: &Report) -> TestCase {
    let failed = report
        .rows
        .iter()
        .filter(|row| row.passed == Some(false) && !report.gate.passed);
    without("instruments", "failed", failed)
}

/// A case that is an error where there are such rows.
fn without<'a>(name: &str, what: &str, rows: impl Iterator<Item = &'a Row>) -> TestCase {
    let names: Vec<_> = rows.map(row_name).collect();
    let message = format!("{what}: {}", names.join("; "));
    let ending = (!names.is_empty()).then_some((NonSuccessKind::Error, message));
    case(name, ending)
}

fn row_name(row: &Row) -> String {
    format!(
        "{} {} {}, {}",
        words::role(row.role),
        words::probe(row.probe),
        words::statistic(&row.statistic),
        words::place(row.phase, &row.prefix)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn render(report: &Report) -> String {
        super::report(report).expect("XML")
    }

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
