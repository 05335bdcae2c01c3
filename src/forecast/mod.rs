//! What a spec will cost and what a clean model would get from it, before anything runs.

mod cost;
mod outlook;

pub use cost::{Cost, PhaseCost, cost, step_flops};
pub use outlook::{Outlook, RowOutlook, clean_run};
