//! The spelling of `proxy.accessLog` and `proxy.admin`.

use crate::spec::{AccessLogSpec, AdminSpec};

use super::super::read::{Field, Notes};
use super::{any_port, flag};

/// No log when nothing is said.
pub(super) fn access_log(field: &Field<'_>, notes: &mut Notes) -> Option<AccessLogSpec> {
    let fix = format!("Set {} to a mapping, e.g. {{path: \"/var/log/shop/access.log\"}}.", field.key);
    let mut section = field.section(fix, notes)?;
    let [path, query, user_agent] =
        [section.field("path"), section.field("query"), section.field("userAgent")];
    section.close(notes);
    let text = path.required_text(notes);
    if text.as_deref() == Some("") {
        let fix = format!("Set {} to a file, or to \"-\" for the standard output.", path.key);
        path.refuse("must be a non-empty string", fix, notes);
    }
    let (query, user_agent) = (flag(&query, false, notes), flag(&user_agent, false, notes));
    Some(AccessLogSpec { query, user_agent, ..AccessLogSpec::new(text?) })
}

/// Nobody is told anything when nothing is said.
pub(super) fn admin(field: &Field<'_>, notes: &mut Notes) -> Option<AdminSpec> {
    let fix = format!("Set {} to a mapping, e.g. {{port: 9182}}.", field.key);
    let mut section = field.section(fix, notes)?;
    let [host, port] = [section.field("host"), section.field("port")];
    section.close(notes);
    let host = host.text(notes).unwrap_or_else(|| "127.0.0.1".to_owned());
    if port.set().is_none() {
        port.refuse("is required", format!("Set {} to a port, e.g. 9182.", port.key), notes);
        return None;
    }
    Some(AdminSpec { host, port: any_port(&port, 9182, notes)? })
}
