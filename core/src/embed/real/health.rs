//! A health check, alone.

use serde_json::json;

use super::{Outcome, ms};
use crate::health::{HealthChecker, HealthSchedule, HttpProbe};

pub(super) async fn check(probe: HttpProbe, schedule: HealthSchedule) -> Outcome {
    let ready = HealthChecker::new(probe, schedule).wait_ready().await?;
    Ok(json!({ "attempts": ready.attempts, "tookMs": ms(ready.took) }))
}
