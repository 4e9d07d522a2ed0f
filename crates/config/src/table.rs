//! The table: one row per directive, sorted by name. Both families' names are taken. The default is Redis 8's, but for
//! `disable-thp` (huge pages are good for a server that never forks); where Valkey's differs, `in_valkey` has it.
//!
//! The only place where a directive's name, type, bounds, default or status is written.

use std::sync::OnceLock;

use crate::check;
use crate::directive::{
    Row, Spec, Special, Status, Unit, choice, choices, flag, int, memory, number, special, text,
};

const I32: u64 = i32::MAX as u64;
const I64: u64 = i64::MAX as u64;

macro_rules! directives {
    ($($id:ident $name:literal $(| $alias:literal)? => $spec:expr,)*) => {
        /// Names a directive; its number is the index into [`ROWS`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Directive {
            $(#[doc = concat!("`", $name, "`")] $id,)*
        }

        /// All directives, in the order of [`Directive`].
        pub static ROWS: &[Row] = &[$({
            const SPEC: Spec = $spec;
            #[allow(unused_mut, unused_assignments)]
            const ALIAS: Option<&str> = {
                let mut alias = None;
                $(alias = Some($alias);)?
                alias
            };
            Row {
                id: Directive::$id,
                name: $name,
                alias: ALIAS,
                kind: SPEC.kind,
                traits: SPEC.traits,
                status: SPEC.status,
                valkey: SPEC.valkey,
                max_in_redis: SPEC.max_in_redis,
                clamp: SPEC.clamp,
                only: SPEC.only,
            }
        },)*];
    };
}

impl Directive {
    /// Its row.
    pub fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// The directive of that name or alias, ignoring case.
    pub fn find(name: &[u8]) -> Option<Directive> {
        static SORTED: OnceLock<Vec<(&[u8], Directive)>> = OnceLock::new();
        let sorted = SORTED.get_or_init(|| {
            let names = ROWS.iter().flat_map(|row| row.names().map(|name| (name.as_bytes(), row.id)));
            let mut sorted: Vec<_> = names.collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            sorted
        });
        // The table's own names are in small letters.
        let name = name.to_ascii_lowercase();
        let at = sorted.binary_search_by_key(&&name[..], |(name, _)| name).ok()?;
        Some(sorted[at].1)
    }
}

/// A word that opens a line of a configuration file but is no directive of CONFIG GET and SET. Those without effect were
/// directives of older servers: files that still have them are taken.
pub struct LineRow {
    /// The word.
    pub name: &'static str,
    /// Arguments that the grammar asks for: at least, at most.
    pub args: (usize, usize),
    /// What to do with it.
    pub status: Status,
}

/// Those words. `include` is handled by `load`.
pub static LINES: &[LineRow] = &[
    LineRow { name: "events-per-io-thread", args: (1, 1), status: Status::Inert },
    LineRow { name: "include", args: (1, 1), status: Status::Works },
    LineRow { name: "io-threads-do-reads", args: (1, 1), status: Status::Inert },
    LineRow { name: "list-max-ziplist-entries", args: (1, 1), status: Status::Inert },
    LineRow { name: "list-max-ziplist-value", args: (1, 1), status: Status::Inert },
    LineRow { name: "loadmodule", args: (1, usize::MAX), status: Status::Refused("modules") },
    LineRow { name: "lua-replicate-commands", args: (1, 1), status: Status::Inert },
    LineRow { name: "rename-command", args: (2, 2), status: Status::Refused("renaming commands") },
    LineRow { name: "sentinel", args: (0, usize::MAX), status: Status::Refused("sentinel mode") },
    LineRow { name: "user", args: (1, usize::MAX), status: Status::Refused("ACL users") },
];

directives! {
    AclPubsubDefault "acl-pubsub-default" => choice(&["allchannels", "resetchannels"], 1),
    Aclfile "aclfile" => text("").immutable().refused("an ACL file"),
    AcllogMaxLen "acllog-max-len" => int(0, I64, 128),
    ActiveDefragCycleMax "active-defrag-cycle-max" => int(1, 99, 25),
    ActiveDefragCycleMin "active-defrag-cycle-min" => int(1, 99, 1),
    ActiveDefragCycleUs "active-defrag-cycle-us" => int(0, 100000, 500),
    ActiveDefragIgnoreBytes "active-defrag-ignore-bytes" => memory(1, I64, 104857600),
    ActiveDefragMaxScanFields "active-defrag-max-scan-fields" => int(1, I64, 1000),
    ActiveDefragThresholdLower "active-defrag-threshold-lower" => int(0, 1000, 10),
    ActiveDefragThresholdUpper "active-defrag-threshold-upper" => int(0, 1000, 100),
    ActiveExpireEffort "active-expire-effort" => int(1, 10, 1),
    Activedefrag "activedefrag" => flag(false),
    Activerehashing "activerehashing" => flag(true),
    AlwaysShowLogo "always-show-logo" => flag(false).immutable().works(),
    AofDisableAutoGc "aof-disable-auto-gc" => flag(false).hidden(),
    AofLoadCorruptTailMaxSize "aof-load-corrupt-tail-max-size" => int(0, I64, 0),
    AofLoadTruncated "aof-load-truncated" => flag(true),
    AofRewriteCpulist "aof-rewrite-cpulist" | "aof_rewrite_cpulist" => text("").immutable(),
    AofRewriteIncrementalFsync "aof-rewrite-incremental-fsync" => flag(true),
    AofTimestampEnabled "aof-timestamp-enabled" => flag(false),
    AofUseRdbPreamble "aof-use-rdb-preamble" => flag(true),
    Appenddirname "appenddirname" => text("appendonlydir").checked(check::is_append_dir_name).immutable(),
    Appendfilename "appendfilename" => text("appendonly.aof").checked(check::is_append_file_name).immutable(),
    Appendfsync "appendfsync" => choice(&["everysec", "always", "no"], 0),
    Appendonly "appendonly" => flag(false).deny_loading().refused("the append only file"),
    AutoAofRewriteMinSize "auto-aof-rewrite-min-size" => memory(0, I64, 67108864),
    AutoAofRewritePercentage "auto-aof-rewrite-percentage" => int(0, I32, 100),
    AvailabilityZone "availability-zone" => text("").checked(check::is_one_line).works(),
    BgsaveCpulist "bgsave-cpulist" | "bgsave_cpulist" => text("").immutable(),
    Bind "bind" => special(Special::Bind).works(),
    BindSourceAddr "bind-source-addr" => text("").works(),
    BioCpulist "bio-cpulist" | "bio_cpulist" => text("").immutable(),
    BusyReplyThreshold "busy-reply-threshold" | "lua-time-limit" => int(0, I64, 5000),
    ClientOutputBufferLimit "client-output-buffer-limit" => special(Special::OutputLimits).works(),
    ClientQueryBufferLimit "client-query-buffer-limit" => memory(1048576, I64, 1073741824).works(),
    ClusterAllowPubsubshardWhenDown "cluster-allow-pubsubshard-when-down" => flag(true),
    ClusterAllowReadsWhenDown "cluster-allow-reads-when-down" => flag(false),
    ClusterAllowReplicaMigration "cluster-allow-replica-migration" => flag(true),
    ClusterAnnounceBusPort "cluster-announce-bus-port" => int(0, 65535, 0),
    ClusterAnnounceClientIpv4 "cluster-announce-client-ipv4" => text("").checked(check::is_v4_address),
    ClusterAnnounceClientIpv6 "cluster-announce-client-ipv6" => text("").checked(check::is_v6_address),
    ClusterAnnounceClientPort "cluster-announce-client-port" => int(0, 65535, 0),
    ClusterAnnounceClientTlsPort "cluster-announce-client-tls-port" => int(0, 65535, 0),
    ClusterAnnounceHostname "cluster-announce-hostname" => text("").checked(check::is_hostname),
    ClusterAnnounceHumanNodename "cluster-announce-human-nodename" => text("").checked(check::is_node_name),
    ClusterAnnounceIp "cluster-announce-ip" => text("").checked(check::is_announced_address),
    ClusterAnnouncePort "cluster-announce-port" => int(0, 65535, 0),
    ClusterAnnounceTlsPort "cluster-announce-tls-port" => int(0, 65535, 0),
    ClusterBlacklistTtl "cluster-blacklist-ttl" => int(i64::MIN, I64, 60),
    ClusterCompatibilitySampleRatio "cluster-compatibility-sample-ratio" => int(0, 100, 0),
    ClusterConfigFile "cluster-config-file" => text("nodes.conf").checked(check::is_cluster_file_name).immutable(),
    ClusterConfigSaveBehavior "cluster-config-save-behavior" => choice(&["sync", "best-effort"], 0),
    ClusterDatabases "cluster-databases" => int(1, I32, 1).immutable(),
    ClusterEnabled "cluster-enabled" => flag(false).immutable().refused("cluster mode"),
    ClusterLinkSendbufLimit "cluster-link-sendbuf-limit" => memory(0, u64::MAX, 0),
    ClusterManualFailoverTimeout "cluster-manual-failover-timeout" => int(1, I32, 5000),
    ClusterMessageGossipPerc "cluster-message-gossip-perc" => int(1, 100, 10).hidden(),
    ClusterMigrationBarrier "cluster-migration-barrier" => int(0, I32, 1),
    ClusterNodeTimeout "cluster-node-timeout" => int(0, I64, 15000),
    ClusterPingInterval "cluster-ping-interval" => int(0, I64, 0).hidden(),
    ClusterPort "cluster-port" => int(0, 65535, 0).immutable(),
    ClusterPreferredEndpointType "cluster-preferred-endpoint-type" => choice(&["ip", "hostname", "unknown-endpoint"], 0),
    ClusterReplicaNoFailover "cluster-replica-no-failover" | "cluster-slave-no-failover" => flag(false),
    ClusterReplicaValidityFactor "cluster-replica-validity-factor" | "cluster-slave-validity-factor" => int(0, I32, 10),
    ClusterRequireFullCoverage "cluster-require-full-coverage" => flag(true),
    ClusterSlotMigrationHandoffMaxLagBytes "cluster-slot-migration-handoff-max-lag-bytes" => memory(0, I64, 1048576),
    ClusterSlotMigrationLogMaxLen "cluster-slot-migration-log-max-len" => int(0, I64, 1000),
    ClusterSlotMigrationMaxArchivedTasks "cluster-slot-migration-max-archived-tasks" => int(1, I32, 32).hidden(),
    ClusterSlotMigrationSyncBufferDrainTimeout "cluster-slot-migration-sync-buffer-drain-timeout" => int(0, I64, 60000).hidden(),
    ClusterSlotMigrationWritePauseTimeout "cluster-slot-migration-write-pause-timeout" => int(0, I64, 10000),
    ClusterSlotStatsEnabled "cluster-slot-stats-enabled" => choices(&["no", "yes", "cpu", "net", "mem"]).only(&["cpu", "net", "mem"], &[]),
    CommandlogLargeReplyMaxLen "commandlog-large-reply-max-len" => int(0, I64, 128).works(),
    CommandlogLargeRequestMaxLen "commandlog-large-request-max-len" => int(0, I64, 128).works(),
    CommandlogReplyLargerThan "commandlog-reply-larger-than" => int(-1, I64, 1048576).works(),
    CommandlogRequestLargerThan "commandlog-request-larger-than" => int(-1, I64, 1048576).works(),
    CrashLogEnabled "crash-log-enabled" => flag(true).works(),
    CrashMemcheckEnabled "crash-memcheck-enabled" => flag(true),
    Daemonize "daemonize" => flag(false).immutable().works(),
    Databases "databases" => int(1, I32, 16).immutable().works(),
    Dbfilename "dbfilename" => text("dump.rdb").checked(check::is_dump_file_name).protected().works(),
    DebugContext "debug-context" => text("").hidden(),
    Dir "dir" => special(Special::Dir).protected().deny_loading().works(),
    DisableThp "disable-thp" => flag(false).immutable().works(),
    DualChannelReplicationEnabled "dual-channel-replication-enabled" => flag(false),
    DynamicHz "dynamic-hz" => flag(true),
    EnableDebugAssert "enable-debug-assert" => flag(false).immutable().hidden(),
    EnableDebugCommand "enable-debug-command" => choice(&["no", "yes", "local"], 0).immutable().works(),
    EnableModuleCommand "enable-module-command" => choice(&["no", "yes", "local"], 0).immutable().works(),
    EnableProtectedConfigs "enable-protected-configs" => choice(&["no", "yes", "local"], 0).immutable().works(),
    ExtendedRedisCompatibility "extended-redis-compatibility" => flag(false).works(),
    HashMaxListpackEntries "hash-max-listpack-entries" | "hash-max-ziplist-entries" => int(0, I64, 512).works(),
    HashMaxListpackValue "hash-max-listpack-value" | "hash-max-ziplist-value" => memory(0, I64, 64).works(),
    HashSeed "hash-seed" => text("").immutable().works(),
    HideUserDataFromLog "hide-user-data-from-log" => flag(false).in_valkey("yes").works(),
    HllSparseMaxBytes "hll-sparse-max-bytes" => memory(0, I64, 3000).works(),
    Hz "hz" => int(0, I32, 10).clamped(1, 500),
    IgnoreWarnings "ignore-warnings" => text(""),
    ImportMode "import-mode" => flag(false).works(),
    IoThreads "io-threads" => int(1, 256, 1).max_in_redis(128).immutable_in_redis().works(),
    IoThreadsAlwaysActive "io-threads-always-active" => flag(false).hidden(),
    JemallocBgThread "jemalloc-bg-thread" => flag(true),
    KeyLoadDelay "key-load-delay" => int(i32::MIN as i64, I32, 0).hidden().works(),
    KeyMemoryHistograms "key-memory-histograms" => flag(false),
    LatencyMonitorThreshold "latency-monitor-threshold" => int(0, I64, 0).works(),
    LatencyTracking "latency-tracking" => flag(true).works(),
    LatencyTrackingInfoPercentiles "latency-tracking-info-percentiles" => special(Special::Percentiles).works(),
    LazyexpireNestedArbitraryKeys "lazyexpire-nested-arbitrary-keys" => flag(true).hidden(),
    LazyfreeLazyEviction "lazyfree-lazy-eviction" => flag(false).in_valkey("yes").works(),
    LazyfreeLazyExpire "lazyfree-lazy-expire" => flag(false).in_valkey("yes").works(),
    LazyfreeLazyServerDel "lazyfree-lazy-server-del" => flag(false).in_valkey("yes").works(),
    LazyfreeLazyUserDel "lazyfree-lazy-user-del" => flag(false).in_valkey("yes").works(),
    LazyfreeLazyUserFlush "lazyfree-lazy-user-flush" => flag(false).in_valkey("yes").works(),
    LfuDecayTime "lfu-decay-time" => int(0, I32, 1).works(),
    LfuLogFactor "lfu-log-factor" => int(0, I32, 10).works(),
    ListCompressDepth "list-compress-depth" => int(0, I32, 0),
    ListMaxListpackSize "list-max-listpack-size" | "list-max-ziplist-size" => int(i32::MIN as i64, I32, -2).works(),
    LoadingProcessEventsIntervalBytes "loading-process-events-interval-bytes" => int(1024, I32, 524288).in_valkey("2097152").hidden(),
    LocaleCollate "locale-collate" => text("").works(),
    LogFormat "log-format" => choice(&["legacy", "logfmt", "json"], 0).works(),
    LogTimestampFormat "log-timestamp-format" => choice(&["legacy", "iso8601", "milliseconds"], 0).works(),
    Logfile "logfile" => text("").immutable().works(),
    Loglevel "loglevel" => choice(&["debug", "verbose", "notice", "warning", "nothing"], 2).works(),
    Lookahead "lookahead" => int(1, I32, 16),
    LuaEnableDeprecatedApi "lua-enable-deprecated-api" | "lua-enable-insecure-api" => flag(false).hidden().protected(),
    Masterauth "masterauth" | "primaryauth" => text("").sensitive().works(),
    Masteruser "masteruser" | "primaryuser" => text("").sensitive().works(),
    MaxNewConnectionsPerCycle "max-new-connections-per-cycle" => int(1, 1000, 10),
    MaxNewTlsConnectionsPerCycle "max-new-tls-connections-per-cycle" => int(1, 1000, 1),
    Maxclients "maxclients" => int(1, u32::MAX as u64, 10000).works(),
    Maxmemory "maxmemory" => memory(0, u64::MAX, 0).works(),
    MaxmemoryClients "maxmemory-clients" => number(Unit::MemoryOrPercent, -100, I64, 0).works(),
    MaxmemoryEvictionTenacity "maxmemory-eviction-tenacity" => int(0, 100, 10).works(),
    MaxmemoryPolicy "maxmemory-policy" => choice(&["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "volatile-lrm", "allkeys-lru", "allkeys-lfu", "allkeys-random", "allkeys-lrm", "noeviction"], 9).only(&["volatile-lrm", "allkeys-lrm"], &[]).works(),
    MaxmemorySamples "maxmemory-samples" => int(1, 64, 5).works(),
    MinIoThreadsAvoidCopyReply "min-io-threads-avoid-copy-reply" => int(0, I32, 7).hidden(),
    MinReplicasMaxLag "min-replicas-max-lag" | "min-slaves-max-lag" => int(0, I32, 10).works(),
    MinReplicasToWrite "min-replicas-to-write" | "min-slaves-to-write" => int(0, I32, 0).works(),
    MinStringSizeAvoidCopyReply "min-string-size-avoid-copy-reply" => int(0, I32, 16384).hidden(),
    MinStringSizeAvoidCopyReplyThreaded "min-string-size-avoid-copy-reply-threaded" => int(0, I32, 65536).hidden(),
    Mptcp "mptcp" => flag(false).immutable().works(),
    NoAppendfsyncOnRewrite "no-appendfsync-on-rewrite" => flag(false),
    NotifyKeyspaceEvents "notify-keyspace-events" => special(Special::Events).works(),
    OomScoreAdj "oom-score-adj" => choice(&["no", "yes", "relative", "absolute"], 0).works(),
    OomScoreAdjValues "oom-score-adj-values" => special(Special::OomScores).works(),
    Pidfile "pidfile" => text("").immutable().works(),
    Port "port" => int(0, 65535, 6379).works(),
    PrefetchBatchMaxSize "prefetch-batch-max-size" => int(0, 128, 16),
    ProcTitleTemplate "proc-title-template" => text("{title} {listen-addr} {server-mode}").checked(check::is_title_template).works(),
    PropagationErrorBehavior "propagation-error-behavior" => choice(&["ignore", "panic", "panic-on-replicas"], 0),
    ProtectedMode "protected-mode" => flag(true).works(),
    ProtoMaxBulkLen "proto-max-bulk-len" => memory(1048576, I64, 536870912).works(),
    RdbDelSyncFiles "rdb-del-sync-files" => flag(false),
    RdbKeySaveDelay "rdb-key-save-delay" => int(i32::MIN as i64, I32, 0).hidden().works(),
    RdbSaveIncrementalFsync "rdb-save-incremental-fsync" => flag(true),
    RdbVersionCheck "rdb-version-check" => choice(&["strict", "relaxed"], 0).works(),
    Rdbchecksum "rdbchecksum" => flag(true).immutable().works(),
    Rdbcompression "rdbcompression" => flag(true).works(),
    RdmaBind "rdma-bind" => special(Special::RdmaBind).refused("RDMA"),
    RdmaCompletionVector "rdma-completion-vector" => int(-1, 1024, -1).immutable(),
    RdmaPort "rdma-port" => int(0, 65535, 0).refused("RDMA"),
    RdmaRxSize "rdma-rx-size" => int(65536, 16777216, 1048576).immutable(),
    ReplBacklogSize "repl-backlog-size" => memory(1, I64, 1048576).clamped(16384, i64::MAX).in_valkey("10485760").works(),
    ReplBacklogTtl "repl-backlog-ttl" => int(0, I64, 3600).works(),
    ReplDisableTcpNodelay "repl-disable-tcp-nodelay" => flag(false),
    ReplDisklessLoad "repl-diskless-load" => choice(&["disabled", "on-empty-db", "swapdb", "flushdb", "flush-before-load"], 0).only(&["flushdb"], &["flush-before-load"]).deny_loading(),
    ReplDisklessSync "repl-diskless-sync" => flag(true).works(),
    ReplDisklessSyncDelay "repl-diskless-sync-delay" => int(0, I32, 5).works(),
    ReplDisklessSyncMaxReplicas "repl-diskless-sync-max-replicas" => int(0, I32, 0).works(),
    ReplMptcp "repl-mptcp" => flag(false).immutable().works(),
    ReplPingReplicaPeriod "repl-ping-replica-period" | "repl-ping-slave-period" => int(1, I32, 10).works(),
    ReplRdbChannel "repl-rdb-channel" => flag(true).hidden(),
    ReplTimeout "repl-timeout" => int(1, I32, 60).works(),
    ReplicaAnnounceIp "replica-announce-ip" | "slave-announce-ip" => text("").checked(check::is_one_line).works(),
    ReplicaAnnouncePort "replica-announce-port" | "slave-announce-port" => int(0, 65535, 0).works(),
    ReplicaAnnounced "replica-announced" => flag(true).works(),
    ReplicaFullSyncBufferLimit "replica-full-sync-buffer-limit" => memory(0, I64, 0),
    ReplicaIgnoreDiskWriteErrors "replica-ignore-disk-write-errors" => flag(false),
    ReplicaIgnoreMaxmemory "replica-ignore-maxmemory" | "slave-ignore-maxmemory" => flag(true).works(),
    ReplicaLazyFlush "replica-lazy-flush" | "slave-lazy-flush" => flag(false).in_valkey("yes"),
    ReplicaPriority "replica-priority" | "slave-priority" => int(0, I32, 100).works(),
    ReplicaReadOnly "replica-read-only" | "slave-read-only" => flag(true).works(),
    ReplicaServeStaleData "replica-serve-stale-data" | "slave-serve-stale-data" => flag(true).works(),
    Replicaof "replicaof" | "slaveof" => special(Special::ReplicaOf).immutable().works(),
    Requirepass "requirepass" => text("").sensitive().works(),
    SanitizeDumpPayload "sanitize-dump-payload" => choice(&["no", "yes", "clients"], 0),
    Save "save" => special(Special::Save).works(),
    ServerCpulist "server-cpulist" | "server_cpulist" => text("").immutable(),
    SetMaxIntsetEntries "set-max-intset-entries" => int(0, I64, 512).works(),
    SetMaxListpackEntries "set-max-listpack-entries" => int(0, I64, 128).works(),
    SetMaxListpackValue "set-max-listpack-value" => int(0, I64, 64).works(),
    SetProcTitle "set-proc-title" => flag(true).immutable().works(),
    ShutdownOnSigint "shutdown-on-sigint" => choices(&["default", "save", "nosave", "now", "force", "safe", "failover"]).only(&[], &["safe", "failover"]).works(),
    ShutdownOnSigterm "shutdown-on-sigterm" => choices(&["default", "save", "nosave", "now", "force", "safe", "failover"]).only(&[], &["safe", "failover"]).works(),
    ShutdownTimeout "shutdown-timeout" => int(0, I32, 10).works(),
    SlotMigrationMaxFailoverReplBytes "slot-migration-max-failover-repl-bytes" => number(Unit::SignedMemory, -1, I64, 0),
    SlowlogLogSlowerThan "slowlog-log-slower-than" | "commandlog-execution-slower-than" => int(-1, I64, 10000).works(),
    SlowlogMaxLen "slowlog-max-len" | "commandlog-slow-execution-max-len" => int(0, I64, 128).works(),
    SocketMarkId "socket-mark-id" => int(0, u32::MAX as u64, 0).immutable(),
    StopWritesOnBgsaveError "stop-writes-on-bgsave-error" => flag(true).works(),
    StreamIdmpDuration "stream-idmp-duration" => int(1, 86400, 100).works(),
    StreamIdmpMaxsize "stream-idmp-maxsize" => int(1, 10000, 100).works(),
    StreamNodeMaxBytes "stream-node-max-bytes" => memory(0, I64, 4096).works(),
    StreamNodeMaxEntries "stream-node-max-entries" => int(0, I64, 100).works(),
    Supervised "supervised" => choice(&["upstart", "systemd", "auto", "no"], 3).immutable().works(),
    SyslogEnabled "syslog-enabled" => flag(false).immutable().refused("the system log"),
    SyslogFacility "syslog-facility" => choice(&["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"], 1).immutable(),
    SyslogIdent "syslog-ident" => text("redis").in_valkey("valkey").immutable(),
    TcpBacklog "tcp-backlog" => int(0, I32, 511).immutable().works(),
    TcpKeepalive "tcp-keepalive" => int(0, I32, 300).works(),
    Timeout "timeout" => int(0, I32, 0).works(),
    TlsAuthClients "tls-auth-clients" => choice(&["no", "yes", "optional"], 1),
    TlsAuthClientsUser "tls-auth-clients-user" => choice(&["CN", "URI", "off"], 2).only(&[], &["URI"]),
    TlsAutoReloadInterval "tls-auto-reload-interval" => int(0, I32, 0),
    TlsCaCertDir "tls-ca-cert-dir" => text("").volatile(),
    TlsCaCertFile "tls-ca-cert-file" => text("").volatile(),
    TlsCertFile "tls-cert-file" => text("").volatile(),
    TlsCiphers "tls-ciphers" => text(""),
    TlsCiphersuites "tls-ciphersuites" => text(""),
    TlsClientCertFile "tls-client-cert-file" => text("").volatile(),
    TlsClientKeyFile "tls-client-key-file" => text("").volatile(),
    TlsClientKeyFilePass "tls-client-key-file-pass" => text("").sensitive(),
    TlsCluster "tls-cluster" => flag(false).refused("TLS"),
    TlsDhParamsFile "tls-dh-params-file" => text("").volatile(),
    TlsKeyFile "tls-key-file" => text("").volatile(),
    TlsKeyFilePass "tls-key-file-pass" => text("").sensitive(),
    TlsPort "tls-port" => int(0, 65535, 0).refused("TLS"),
    TlsPreferServerCiphers "tls-prefer-server-ciphers" => flag(false),
    TlsProtocols "tls-protocols" => text(""),
    TlsReplication "tls-replication" => flag(false).refused("TLS"),
    TlsSessionCacheSize "tls-session-cache-size" => int(0, I32, 20480),
    TlsSessionCacheTimeout "tls-session-cache-timeout" => int(0, I32, 300),
    TlsSessionCaching "tls-session-caching" => flag(true),
    TrackingTableMaxKeys "tracking-table-max-keys" => int(0, I64, 1000000),
    Unixsocket "unixsocket" => text("").immutable().works(),
    Unixsocketgroup "unixsocketgroup" => text("").immutable(),
    Unixsocketperm "unixsocketperm" => number(Unit::Octal, 0, 0o777, 0).immutable().works(),
    UseExitOnPanic "use-exit-on-panic" => flag(false).hidden(),
    VsetForceSingleThreadedExecution "vset-force-single-threaded-execution" => flag(false),
    WatchdogPeriod "watchdog-period" => int(0, I32, 0).hidden(),
    ZsetMaxListpackEntries "zset-max-listpack-entries" | "zset-max-ziplist-entries" => int(0, I64, 128).works(),
    ZsetMaxListpackValue "zset-max-listpack-value" | "zset-max-ziplist-value" => memory(0, I64, 64).works(),
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crate::directive::Kind;

    use super::*;

    #[test]
    fn names_are_unique_and_sorted() {
        let mut seen = HashSet::new();
        for row in ROWS {
            assert!(row.names().all(|name| seen.insert(name)), "{} twice", row.name);
            assert_eq!(Directive::find(row.name.to_ascii_uppercase().as_bytes()), Some(row.id));
        }
        assert!(ROWS.is_sorted_by_key(|row| row.name));
    }

    #[test]
    fn ids_are_indexes() {
        assert!(ROWS.iter().enumerate().all(|(i, row)| row.id as usize == i));
        assert_eq!(Directive::find(b"slaveof"), Some(Directive::Replicaof));
        assert_eq!(Directive::find(b"nothing"), None);
    }

    #[test]
    fn defaults_lie_within_bounds() {
        for row in ROWS {
            if let Kind::Number { min, max, default, .. } = row.kind {
                assert!(default >= min && i128::from(default) <= i128::from(max), "{}", row.name);
            }
        }
    }
}
