//! The layers of each crate, by which its files may import each other.

/// From low to high, the modules of each layer. A module that is not listed is in the layer of the one that holds it.
pub(super) type Layers = [&'static str];

/// The crates, each by the folder of its sources.
pub(super) const LAYERS: [(&str, &Layers); 15] = [
    ("crates/core/src", CORE),
    ("crates/transport/src", TRANSPORT),
    ("crates/ffi/src", FFI),
    ("crates/local-server/src", LOCAL_SERVER),
    ("crates/emulator/src", EMULATOR),
    ("crates/wire/src", WIRE),
    ("crates/queue/src", QUEUE),
    ("crates/redis/src", REDIS),
    ("crates/rows/src", ROWS),
    ("crates/serve/src", SERVE),
    ("crates/cli/src", CLI),
    ("crates/bench-clients/src", BENCH_CLIENTS),
    ("crates/xtask/src", XTASK),
    ("tests/src", CHECKS),
    ("tests/tidy", TIDY),
];

const CORE: &Layers = &[
    "operation region secret seen violation",
    "catalogue limits",
    "app text",
    "change request usersig",
    "answer",
    "plan quota retry",
    "leases",
];

const TRANSPORT: &Layers = &[
    "async_programs config::setting endpoint event outcome process proxy redact roots stats wait",
    "config::problems error settings_error",
    "credentials http outage rate_limiter",
    "outages pipeline",
    "state",
    "call",
    "pipeline::batcher pipeline::bulk pipeline::future pipeline::request pipeline::session pipeline::worker",
    "pipeline::options",
    "client",
    "builder probe pipeline::handover",
    "config",
];

const FFI: &Layers = &[
    "handle panic process status str",
    "error explain users",
    "boundary change completions result stats",
    "call config credential log",
    "batcher bulk from_env requests",
];

const LOCAL_SERVER: &Layers = &[
    "certificate head limits names notify process progress room socket",
    "caller guarded kept_files listener shared tls",
    "body",
    "connection",
    "server",
];

const EMULATOR: &Layers = &[
    "rng tags target",
    "error quota users",
    "counter disk folder identity log request store",
    "apply fault fault_json fault_queue wire",
    "service",
    "admin handler router server",
    "emulator",
    "builder",
];

const QUEUE: &Layers = &[
    "byte_limit error id settings",
    "answer codec",
    "change post writer::waiting",
    "status",
    "store",
    "command",
    "feeder writer",
    "offline queue",
];

const SERVE: &Layers = &[
    "access data figures hold kept_failure predecessor relay timeout",
    "failure queue_figures under_way",
    "reply",
    "call",
    "counts",
    "shared",
    "changes::answers",
    "changes::body changes::target",
    "changes",
    "changes::control changes::post changes::read",
    "handler",
    "daemon",
];

const WIRE: &Layers = &["answer json", "query", "route usersig", "body"];

const BENCH_CLIENTS: &Layers = &["client", "floor ours ureq_client"];

const XTASK: &Layers = &[
    "generated install",
    "errors header lock sample tsan",
    "dist test",
    "bench::http bench::languages bench::process bench::report",
    "bench::options",
    "bench::against bench::callers",
    "bench::batcher bench::call bench::emulator bench::import bench::marshal bench::plan bench::quota bench::serve",
    "bench",
];

const REDIS: &Layers = &["script"];

const ROWS: &Layers = &["excerpt odd reason", "failure json row", "change"];

const CHECKS: &Layers = &[
    "cargo cost data elf error parallel program random scene",
    "environment metadata tools",
    "build",
    "abi log pypi",
    "c cpp go installed other_sdks page python readme serve_examples serve_later serve_outside systemd",
    "chaos conformance quota",
    "checks",
];

const TIDY: &Layers = &[
    "files source layers",
    "crates ffi imports installers observing pages text",
];

const CLI: &Layers = &[
    "exit size",
    "output",
    "interrupt ownership settings",
    "import",
    "args",
    "commands",
];
