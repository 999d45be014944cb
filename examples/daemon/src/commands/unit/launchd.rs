//! A job for launchd: `launchd.plist(5)`.

use plist::{Dictionary, Value};

use super::{FILES_MAX, Unit, line, one_line, word};

/// launchd starts a job at most this often, in seconds.
const THROTTLE_SECONDS: u64 = 10;

/// The largest time that launchd reads, in seconds; it means "for ever" as 0 does.
const SECONDS_MAX: u64 = i32::MAX as u64;

/// The whole file.
pub(super) fn text(unit: &Unit) -> Result<String, String> {
    let job = job(unit)?;
    let mut text = Vec::new();
    Value::Dictionary(job).to_writer_xml(&mut text).map_err(|error| error.to_string())?;
    text.push(b'\n');
    String::from_utf8(text).map_err(|error| error.to_string())
}

fn job(unit: &Unit) -> Result<Dictionary, String> {
    let program = line(&unit.program)?;
    let words = [program, "daemon", "--config", line(&unit.config)?];
    let log = Value::from(line(&unit.log)?);
    // 0 means for ever.
    let stop = unit.stop_seconds().filter(|seconds| *seconds < SECONDS_MAX).unwrap_or(0);
    let files = || Value::Dictionary(dictionary([("NumberOfFiles", FILES_MAX.into())]));
    let mut job = dictionary([
        ("Label", format!("rollcore.{}", word(one_line(&unit.application)?)).into()),
        ("ProgramArguments", Value::Array(words.map(Value::from).to_vec())),
        ("WorkingDirectory", line(&unit.directory)?.into()),
        ("RunAtLoad", true.into()),
        // `rollcore shutdown` ends with 0, and is meant; everything else is followed by a start.
        ("KeepAlive", Value::Dictionary(dictionary([("SuccessfulExit", false.into())]))),
        ("ThrottleInterval", THROTTLE_SECONDS.into()),
        ("ExitTimeOut", stop.into()),
        ("StandardOutPath", log.clone()),
        ("StandardErrorPath", log),
        ("SoftResourceLimits", files()),
        ("HardResourceLimits", files()),
    ]);
    if let Some(user) = &unit.user {
        job.insert("UserName".to_owned(), one_line(user)?.into());
    }
    Ok(job)
}

fn dictionary<const N: usize>(entries: [(&str, Value); N]) -> Dictionary {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    fn read(unit: &Unit) -> Dictionary {
        let text = text(unit).expect("it can be written");
        let value = Value::from_reader_xml(text.as_bytes()).expect("it is a property list");
        value.into_dictionary().expect("a job is a dictionary")
    }

    #[test]
    fn the_job_is_kept_alive_unless_it_ended_well() {
        let job = read(&example());
        assert_eq!(job["Label"].as_string(), Some("rollcore.shop"));
        assert_eq!(job["RunAtLoad"].as_boolean(), Some(true));
        let keep = job["KeepAlive"].as_dictionary().expect("a dictionary");
        assert_eq!(keep["SuccessfulExit"].as_boolean(), Some(false));
        assert_eq!(job["ExitTimeOut"].as_unsigned_integer(), Some(91));
        assert_eq!(job["ThrottleInterval"].as_unsigned_integer(), Some(10));
        assert_eq!(job["StandardOutPath"].as_string(), Some("/var/log/rollcore-shop.log"));
        let words = job["ProgramArguments"].as_array().expect("a list");
        let words: Vec<_> = words.iter().filter_map(Value::as_string).collect();
        assert_eq!(words, ["/opt/rollcore", "daemon", "--config", "/srv/shop/rollbridge.js"]);
        assert!(!job.contains_key("UserName"));
    }

    #[test]
    fn for_ever_is_zero_and_names_are_made_safe() {
        let unit = Unit {
            stop_timeout: None,
            application: "a & b".to_owned(),
            config: "/srv/<a & b>.json".into(),
            user: Some("shop".to_owned()),
            ..example()
        };
        let job = read(&unit);
        assert_eq!(job["ExitTimeOut"].as_unsigned_integer(), Some(0));
        assert_eq!(job["Label"].as_string(), Some("rollcore.a---b"));
        assert_eq!(job["UserName"].as_string(), Some("shop"));
        let words = job["ProgramArguments"].as_array().expect("a list");
        assert_eq!(words[3].as_string(), Some("/srv/<a & b>.json"));
    }
}
