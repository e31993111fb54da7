//! The binary `sim`: everything is in the library.

fn main() {
    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let t: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let report = sim::Sim::new(1).nodes(n).chat(0.5).run_until(t).unwrap();
    println!("{:?} {} {}", report.breach, report.trace_hash, report.real_s);
    println!("{:#?}", report.figures);
    println!("{:#?}", report.bytes_by_protocol);
    println!("{:?}", report.series.get("different"));
    println!("{:?}", report.series.get("connections"));
}
