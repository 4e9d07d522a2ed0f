//! What runs here, and on what.

use std::sync::atomic::Ordering::Relaxed;

use config::{Directive, Family, REDIS_VERSION, VALKEY_VERSION};
use sys::os::Whose;

use super::Text;
use crate::cx::Cx;

pub(super) fn server(cx: &mut Cx<'_>, text: &mut Text) {
    let server = cx.server;
    let (system, release, machine) = sys::os::uname();
    let config = &server.config;
    let now_ms = cx.now_ms;
    let uptime_s = now_ms.saturating_sub(server.started_ms) / 1000;
    text.field("redis_version", REDIS_VERSION);
    text.field("server_name", "russet");
    text.field("russet_version", env!("CARGO_PKG_VERSION"));
    text.field("valkey_version", VALKEY_VERSION);
    text.field("valkey_release_stage", "ga");
    text.field("redis_git_sha1", "00000000");
    text.field("redis_git_dirty", 0);
    text.field("redis_build_id", format_args!("russet-{}", env!("CARGO_PKG_VERSION")));
    // A Valkey says only the one that it is asked for.
    let (product, _) = config.identity();
    if product == Family::Redis.product() {
        text.field("redis_mode", "standalone");
    }
    if config.family() == Family::Redis || product == Family::Valkey.product() {
        text.field("server_mode", "standalone");
    }
    text.field("os", format_args!("{system} {release} {machine}"));
    text.field("arch_bits", usize::BITS);
    text.field("monotonic_clock", "POSIX clock_gettime");
    text.field("multiplexing_api", "epoll");
    text.field("atomicvar_api", "rust-atomics");
    text.field("gcc_version", "0.0.0");
    text.field("process_id", std::process::id());
    text.field("process_supervised", supervised(config));
    text.field("run_id", &server.run_id);
    text.field("tcp_port", config.int(Directive::Port));
    text.field("server_time_usec", sys::os::unix_us());
    text.field("uptime_in_seconds", uptime_s);
    text.field("uptime_in_days", uptime_s / 86_400);
    text.field("hz", config.int(Directive::Hz));
    text.field("configured_hz", config.int(Directive::Hz));
    text.field("lru_clock", crate::lru::clock(now_ms));
    text.field("executable", &server.executable);
    let file = server.config_file.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
    text.field("config_file", file);
    text.field("io_threads_active", i32::from(server.workers.len() > 2));
    text.field("availability_zone", config.text(Directive::AvailabilityZone));
    let until_ms = server.shutdown_until_ms.load(Relaxed);
    if until_ms > 0 {
        text.field("shutdown_in_milliseconds", until_ms.saturating_sub(now_ms));
    }
    listeners(config, text);
}

fn supervised(config: &config::Store) -> &'static str {
    match (&*config.text(Directive::Supervised), std::env::var_os("NOTIFY_SOCKET").is_some()) {
        ("systemd", _) | ("auto", true) => "systemd",
        ("upstart", _) => "upstart",
        _ => "no",
    }
}

fn listeners(config: &config::Store, text: &mut Text) {
    let mut number = 0;
    let port = config.int(Directive::Port);
    if port > 0 {
        let binds: String =
            config.bind_addresses().iter().map(|address| format!("bind={address},")).collect();
        text.field("listener0", format_args!("name=tcp,{binds}port={port}"));
        number += 1;
    }
    let path = config.text(Directive::Unixsocket);
    if !path.is_empty() {
        text.field(&format!("listener{number}"), format_args!("name=unix,bind={path}"));
    }
}

pub(super) fn threads(cx: &mut Cx<'_>, text: &mut Text) {
    let workers = &cx.server.workers;
    for (index, worker) in workers.iter().take(workers.len() - 1).enumerate() {
        let reads = worker.get(crate::stats::Counter::Reads);
        let writes = worker.get(crate::stats::Counter::Writes);
        let clients = worker.clients.load(Relaxed);
        text.field(
            &format!("io_thread_{index}"),
            format_args!("clients={clients},reads={reads},writes={writes}"),
        );
    }
}

pub(super) fn cpu(_: &mut Cx<'_>, text: &mut Text) {
    let mut both = |suffix: &str, whose| {
        let (user, system) = sys::os::cpu_seconds(whose);
        text.field(&format!("used_cpu_sys{suffix}"), format_args!("{system:.6}"));
        text.field(&format!("used_cpu_user{suffix}"), format_args!("{user:.6}"));
    };
    both("", Whose::Process);
    both("_children", Whose::Children);
    // Every worker executes commands; the one that answers stands for them.
    both("_main_thread", Whose::Thread);
    let (user, system) = sys::os::cpu_seconds(Whose::Thread);
    text.field("used_active_time_main_thread", format_args!("{:.6}", user + system));
}
