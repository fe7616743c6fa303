//! Answers in the shapes of the Platform API's schema.

use serde_json::{Value, json};

const AT: &str = "2026-01-02T03:04:02Z";

pub(crate) fn account() -> Value {
    json!({ "id": "01234567-89ab-cdef-0123-456789abcdef", "email": "ada@example.com", "created_at": AT, "updated_at": AT })
}

pub(crate) fn app(name: &str, server: &str) -> Value {
    json!({
        "id": "01234567-89ab-cdef-0123-456789abcde0", "name": name, "maintenance": false, "acm": false,
        "archived_at": null, "buildpack_provided_description": "Node.js", "created_at": AT, "updated_at": AT,
        "released_at": AT, "git_url": format!("{server}/{name}.git"), "web_url": format!("http://{name}.localhost:7780/"),
        "owner": { "email": "ada@example.com", "id": "01234567-89ab-cdef-0123-456789abcdef" },
        "region": { "id": "01234567-89ab-cdef-0123-456789abcde1", "name": "us" },
        "stack": { "id": "01234567-89ab-cdef-0123-456789abcde2", "name": "flowline-24" },
        "build_stack": { "id": "01234567-89ab-cdef-0123-456789abcde2", "name": "flowline-24" },
        "repo_size": null, "slug_size": 32_100_000, "space": null, "team": null, "organization": null,
    })
}

pub(crate) fn release(version: i64, status: &str, description: &str) -> Value {
    json!({
        "id": format!("01234567-89ab-cdef-0123-{version:012}"), "version": version, "status": status, "current": false,
        "description": description, "created_at": AT, "updated_at": AT, "output_stream_url": null,
        "eligible_for_rollback": status == "succeeded" && version > 2, "addon_plan_names": [], "artifacts": [],
        "slug": { "id": "01234567-89ab-cdef-0123-456789abcde4" },
        "app": { "id": "01234567-89ab-cdef-0123-456789abcde0", "name": "shop" },
        "user": { "id": "01234567-89ab-cdef-0123-456789abcdef", "email": "ada@example.com" },
    })
}

pub(crate) fn dyno(name: &str, state: &str, command: &str) -> Value {
    json!({
        "id": "01234567-89ab-cdef-0123-456789abcde5", "name": name, "type": name.split('.').next(), "size": "Basic",
        "state": state, "command": command, "attach_url": null, "created_at": AT, "updated_at": AT,
        "app": { "id": "01234567-89ab-cdef-0123-456789abcde0", "name": "shop" },
        "release": { "id": "01234567-89ab-cdef-0123-456789abcde6", "version": 3 },
    })
}

pub(crate) fn formation(process_type: &str, quantity: u32, size: &str) -> Value {
    json!({
        "id": "01234567-89ab-cdef-0123-456789abcde7", "type": process_type, "quantity": quantity, "size": size,
        "command": "node server.js", "created_at": AT, "updated_at": AT,
        "app": { "id": "01234567-89ab-cdef-0123-456789abcde0", "name": "shop" },
    })
}

pub(crate) fn build(number: u32, status: &str, server: &str) -> Value {
    json!({
        "id": format!("01234567-89ab-cdef-0123-{number:012}"), "status": status, "stack": "flowline-24",
        "created_at": format!("2026-01-02T03:0{number}:02Z"), "updated_at": AT, "buildpacks": null,
        "app": { "id": "01234567-89ab-cdef-0123-456789abcde0" }, "release": null, "slug": null,
        "output_stream_url": format!("{server}/streams/build-{number}"),
        "source_blob": { "checksum": null, "url": "", "version": "0123456789abcdef", "version_description": null },
        "user": { "id": "01234567-89ab-cdef-0123-456789abcdef", "email": "ada@example.com" },
    })
}

pub(crate) fn log_session(server: &str, name: &str) -> Value {
    json!({
        "id": "01234567-89ab-cdef-0123-456789abcde8", "logplex_url": format!("{server}/logs/{name}"),
        "created_at": AT, "updated_at": AT,
    })
}
