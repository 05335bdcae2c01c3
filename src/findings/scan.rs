//! Rows of the scan probe: planted beginnings among the most suppressed, and secrets recovered whole.

use super::context::{CI_LEVEL, Context, POWER};
use super::counted::{Counted, best_into, chance_of};
use super::error::FindingsError;
use super::measure::Statistic;
use super::row::{IntervalOf, Row, Subject};
use super::terms::{Access, Probe, Role};
use crate::canary::{Group, Prefix};
use crate::probes::completion::Shown;
use crate::probes::scan::{Depth, Hunt, Ranking, Scan as Seen, Standing};
use crate::spec::Scan;
use crate::stats::{Urn, binomial_upper, clopper_pearson, hypergeometric_upper};
use crate::units::Phase;

pub(super) fn rows(context: &Context<'_>, settings: &Scan) -> Result<Vec<Row>, FindingsError> {
    let seen: Vec<&Seen> = context
        .cells
        .iter()
        .map(|cell| {
            cell.scan()
                .ok_or_else(|| FindingsError::missing(cell, "a scan"))
        })
        .collect::<Result<_, _>>()?;
    let scanned = Scanned {
        context,
        settings,
        seen,
    };
    let mut rows = scanned.enrichments();
    rows.push(scanned.recovered());
    Ok(rows)
}

struct Scanned<'a> {
    context: &'a Context<'a>,
    settings: &'a Scan,
    seen: Vec<&'a Seen>,
}

/// Drawn beginnings, all seeds together, and what was found of them.
struct Drawn {
    urns: Vec<Urn>,
    hits: usize,
}

impl Drawn {
    /// `others` is what a group's beginnings are drawn from.
    fn gather(parts: impl Iterator<Item = (Standing, Standing)>) -> Self {
        let mut all = Self {
            urns: Vec::new(),
            hits: 0,
        };
        for (others, own) in parts {
            all.urns.push(Urn {
                population: others.distinct,
                marked: others.hits,
                drawn: own.distinct,
            });
            all.hits += own.hits;
        }
        all
    }

    fn drawn(&self) -> usize {
        self.urns.iter().map(|urn| urn.drawn).sum()
    }

    /// Expected share of the drawn among the top.
    fn chance(&self) -> Option<f64> {
        let expected: Option<f64> = self.urns.iter().map(|urn| urn.expected()).sum();
        expected
            .filter(|_| self.drawn() > 0)
            .map(|e| e / self.drawn() as f64)
    }

    /// Whether most beginnings are planted: then being among the top says nothing.
    fn is_crowded(&self) -> bool {
        self.urns.iter().any(|urn| 2 * urn.drawn > urn.population)
    }

    fn p_value(&self) -> Option<f64> {
        hypergeometric_upper(self.hits, &self.urns).filter(|_| self.drawn() > 0)
    }

    /// The smallest share among the top that would be found, at a level and the power that is promised.
    fn detectable(&self, level: f64) -> Option<f64> {
        let drawn = self.drawn();
        let needed = (1..=drawn)
            .find(|&hits| hypergeometric_upper(hits, &self.urns).is_some_and(|p| p < level))?;
        (0..=1000)
            .map(|i| f64::from(i) / 1000.0)
            .find(|&share| binomial_upper(needed, drawn, share).is_some_and(|p| p >= POWER))
    }
}

impl Scanned<'_> {
    fn blank(&self, role: Role, group: Group, statistic: Statistic) -> Row {
        let phase = self.seen.first().map_or(Phase::Two, |seen| seen.phase);
        let place = (phase, self.context.prefix_name(Prefix::Regular));
        let subject = Subject::of((Probe::Scan, role), place, group.name(), statistic);
        self.context.about(&Subject {
            // Where phase 1 is left out the reference is the public model itself.
            access: if self.context.audit.phase1.skip {
                Access::LogitsAndBase
            } else {
                subject.access
            },
            ..subject
        })
    }

    /// A depth and ranking of every seed.
    fn depths(&self, letters: usize, ranking: Ranking) -> Vec<&Depth> {
        let all = self.seen.iter().flat_map(|seen| &seen.depths);
        all.filter(|d| d.letters == letters && d.ranking == ranking)
            .collect()
    }

    fn enrichments(&self) -> Vec<Row> {
        let deepest = self.settings.depth.min(self.context.length());
        let mut rows = Vec::new();
        for letters in 1..=deepest {
            for ranking in [Ranking::Plain, Ranking::Contrast] {
                let depths = self.depths(letters, ranking);
                let top = depths.first().map_or(0, |depth| depth.top);
                let enrichment = |role, group, statistic: &Statistic| {
                    self.enrichment(&depths, self.blank(role, group, statistic.clone()), group)
                };
                if letters == deepest && ranking == Ranking::Plain {
                    let main = Statistic::PlantedAmong { top };
                    rows.push(enrichment(Role::Audit, Group::HeldOut, &main));
                    rows.push(enrichment(Role::PositiveControl, Group::Useful, &main));
                    rows.push(enrichment(Role::Placebo, Group::Control, &main));
                } else {
                    let closer = Statistic::PlantedAmongOf {
                        top,
                        depth: letters,
                        ranking,
                    };
                    rows.push(enrichment(Role::Exploratory, Group::HeldOut, &closer));
                    rows.push(enrichment(Role::Exploratory, Group::Useful, &closer));
                }
            }
        }
        rows
    }

    fn enrichment(&self, depths: &[&Depth], mut row: Row, group: Group) -> Row {
        let drawn = Drawn::gather(depths.iter().map(|d| match group {
            // Useful canaries stand among all beginnings, the others among those that no useful one has.
            Group::Useful => (
                Standing {
                    distinct: d.beginnings,
                    hits: d.top,
                },
                d.useful,
            ),
            _ => (d.others, d.groups[&group]),
        }));
        let first = |group| {
            depths.first().map(|d| match group {
                Group::Useful => d.useful.distinct,
                _ => d.groups[&group].distinct,
            })
        };
        row.n = first(group).unwrap_or(0);
        row.p_floor = Some(f64::MIN_POSITIVE);
        row.p_method = Some("hypergeometric, different beginnings".to_owned());
        if group == Group::Control {
            row.control = None;
        } else {
            let control = depths.iter().map(|d| (d.others, d.groups[&Group::Control]));
            let control = Drawn::gather(control);
            row.n_control = first(Group::Control);
            row.control_estimate =
                (control.drawn() > 0).then(|| control.hits as f64 / control.drawn() as f64);
        }
        if drawn.is_crowded() {
            row.note = Some("most beginnings of so few letters are planted: n/a".to_owned());
            return row;
        }
        row.chance = drawn.chance();
        row.p_value = drawn.p_value();
        if let Some(interval) = clopper_pearson(drawn.hits, drawn.drawn(), CI_LEVEL) {
            row.estimate = Some(drawn.hits as f64 / drawn.drawn() as f64);
            row.set_interval(IntervalOf::Estimate, interval);
        }
        match row.role {
            Role::Audit => {
                row.min_detectable = drawn.detectable(self.context.strict_level());
                row.ask(self.context.audit);
            }
            Role::PositiveControl => {
                row.passed = self.context.passes(self.settings.positive_control, &row);
            }
            _ => {}
        }
        row
    }

    /// Whole secrets among the guesses of the hunt that chance explains least.
    fn recovered(&self) -> Row {
        let mut row = self.blank(Role::Audit, Group::HeldOut, Statistic::RecoveredWhole);
        let hunts = self.hunts();
        let of = |group| -> Vec<Counted> {
            hunts.iter().map(|hunt| self.counted(hunt, group)).collect()
        };
        let n = |group| {
            let first = hunts.first().and_then(|hunt| hunt.first());
            first.map(|hunt| hunt.found.get(&group).map_or(0, Vec::len))
        };
        row.n = n(Group::HeldOut).unwrap_or(0);
        row.n_control = n(Group::Control);
        let held_out = of(Group::HeldOut);
        if let Some(best) = best_into(&mut row, &held_out) {
            row.control_estimate = of(Group::Control)[best].share();
            if held_out[best].recovered > 0 {
                row.access = hunts[best].first().map_or(row.access, |h| h.shown.into());
            }
            row.note = Some(Self::precision(&hunts[best]));
        }
        row.ask(self.context.audit);
        row
    }

    /// The hunts of all seeds by what was shown.
    fn hunts(&self) -> Vec<Vec<&Hunt>> {
        let all = |shown| -> Vec<&Hunt> {
            let hunts = self.seen.iter().flat_map(|seen| &seen.hunts);
            hunts.filter(|hunt| hunt.shown == shown).collect()
        };
        let hunts = Shown::ALL.into_iter().map(all);
        hunts.filter(|hunts| !hunts.is_empty()).collect()
    }

    fn counted(&self, hunts: &[&Hunt], group: Group) -> Counted {
        let guesses = hunts.iter().map(|hunt| hunt.guesses).max().unwrap_or(0);
        let all = hunts.iter().filter_map(|hunt| hunt.found.get(&group));
        Counted {
            recovered: all.clone().flatten().flatten().count(),
            canaries: all.map(Vec::len).sum(),
            chance: chance_of(
                guesses as f64,
                self.context.letters(),
                self.context.length(),
                self.context.share_left(),
            ),
        }
    }

    /// How many of the guesses were secrets, and how soon.
    fn precision(hunts: &[&Hunt]) -> String {
        let guesses: usize = hunts.iter().map(|hunt| hunt.guesses).sum();
        let looked: usize = hunts.iter().map(|hunt| hunt.looked_at).sum();
        let held_outs = hunts.iter().filter_map(|h| h.found.get(&Group::HeldOut));
        let places: Vec<usize> = held_outs.flatten().filter_map(|place| *place).collect();
        let first = places.iter().min().map_or(String::new(), |place| {
            format!(", the first of them at guess {place}")
        });
        format!(
            "of {guesses} ranked guesses {} were held-outs{first}; {looked} beginnings looked at",
            places.len()
        )
    }
}
