//! `/metrics`: the node's state in the text format of Prometheus.

use prometheus_client::{
    encoding::{
        EncodeLabelSet,
        text::{encode_eof, encode_registry},
    },
    metrics::{counter::ConstCounter, family::Family, gauge::ConstGauge, gauge::Gauge},
    registry::Registry,
};

use crate::model::Status;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabel {
    version: String,
}

/// The text for a state, and for what the node counted by itself.
///
/// # Errors
/// When the encoder fails; it writes into memory.
pub(super) fn render(status: &Status, counted: &Registry) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("starling");
    let gauges = [
        ("connected_peers", "Peers with an open connection", status.connected_peers),
        ("known_peers", "Peers known, connected or not", status.known_peers),
        ("rooms", "Rooms this node is in", status.rooms),
        ("channels", "Channels in memory", status.channels),
        ("events", "Events held, over all rooms", status.events),
        ("uptime_seconds", "Seconds since the start", status.uptime_s),
        ("store_ok", "Whether the store takes writes", u64::from(status.store == "ok")),
        ("warnings", "Things the user should know", status.warnings.len() as u64),
    ];
    for (name, help, value) in gauges {
        registry.register(name, help, ConstGauge::new(value));
    }
    let info = Family::<VersionLabel, Gauge>::default();
    info.get_or_create(&VersionLabel { version: status.version.clone() }).set(1);
    registry.register("version", "The program's version, as a label", info);
    let refused = Family::<ReasonLabel, prometheus_client::metrics::counter::Counter>::default();
    for refusals in &status.refused {
        refused.get_or_create(&ReasonLabel { reason: refusals.reason.clone() }).inc_by(refusals.count);
    }
    registry.register("refused", "What peers sent and this node refused, by reason", refused);
    let total = status.refused.iter().map(|refusals| refusals.count).sum::<u64>();
    registry.register("refused_all", "What peers sent and this node refused", ConstCounter::new(total));
    let mut text = String::new();
    encode_registry(&mut text, &registry)?;
    encode_registry(&mut text, counted)?;
    encode_eof(&mut text)?;
    Ok(text)
}
