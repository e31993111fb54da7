//! The binary `sim`: everything is in the library.

fn main() {
    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let t: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let report = sim::Sim::new(1).nodes(n).chat(0.5).with(|s| {
        let v: Vec<usize> = std::env::args().skip(3).map(|a| a.parse().unwrap()).collect();
        if v.len() == 3 { s.node.connections_low = v[0]; s.node.connections_high = v[1]; s.node.connections_max = v[2]; }
    }).run_until(t).unwrap();
    println!("{:?} {} {}", report.breach, report.trace_hash, report.real_s);
    println!("{:#?}", report.figures);
    println!("{:#?}", report.bytes_by_protocol);
    println!("{:?}", report.series.get("different"));
    println!("{:?}", report.series.get("connections"));
}
