//! `interlingua matrix`: what each face carries to each upstream, from what the dialects declare.

use clap::Args;
use interlingua_core::{Dialect, FieldSupport, Operation};
use serde_json::{Value, json};

use super::print;
use crate::Gateway;

/// `interlingua matrix`.
#[derive(Debug, Args)]
pub(super) struct Matrix {
    /// Print one JSON document instead of Markdown.
    #[arg(long)]
    json: bool,
}

impl Matrix {
    pub(super) fn run(&self, gateway: &Gateway) {
        let dialects: Vec<_> = gateway.adapters().iter().map(|adapter| adapter.dialect()).collect();
        let pairs = || dialects.iter().flat_map(|face| dialects.iter().map(|upstream| Pair { face, upstream }));
        if self.json {
            let pairs: Vec<_> = pairs().map(|pair| pair.document()).collect();
            print(json!({ "pairs": pairs }).to_string().as_bytes());
        } else {
            let pairs: Vec<_> = pairs().map(|pair| pair.markdown()).collect();
            print(pairs.join("\n").trim_end().as_bytes());
        }
    }
}

/// A face before an upstream.
struct Pair<'a> {
    face: &'a Dialect,
    upstream: &'a Dialect,
}

impl Pair<'_> {
    fn passes(&self) -> bool {
        self.face.name == self.upstream.name
    }

    /// What becomes of an operation: the word, and what there is to say about it.
    fn operation(&self, operation: &Operation) -> (&'static str, &'static str) {
        if self.passes() { ("passed", "") } else { operation.translated.words() }
    }

    fn document(&self) -> Value {
        let operations = self.face.operations.iter().map(|operation| {
            let (word, remark) = self.operation(operation);
            json!({
                "name": operation.name,
                "method": operation.method.as_str(),
                "path": operation.path.to_string(),
                "access": operation.access.to_string(),
                "becomes": word,
                "remark": remark,
            })
        });
        let fields = self.fields().map(|field| {
            json!({
                "name": field.name,
                "request": field.request,
                "answer": field.answer,
                "remarks": { "face": field.remarks[0], "upstream": field.remarks[1] },
            })
        });
        json!({
            "face": self.face.name,
            "upstream": self.upstream.name,
            "operations": operations.collect::<Vec<_>>(),
            "fields": fields.collect::<Vec<_>>(),
        })
    }

    fn markdown(&self) -> String {
        let (face, upstream) = (self.face.name, self.upstream.name);
        let mut text = format!("# {face} clients, {upstream} upstream\n\n");
        if self.passes() {
            text.push_str("Both speak the same: every operation and every field passes as it comes.\n");
            return text;
        }
        text.push_str("| operation | request | becomes | remark |\n|---|---|---|---|\n");
        for operation in &self.face.operations {
            let (word, remark) = self.operation(operation);
            let Operation { name, method, path, .. } = operation;
            text.push_str(&row(&[&format!("`{name}`"), &format!("`{method} {path}`"), word, remark]));
        }
        text.push_str(&format!("\n| field | request | answer | {face} | {upstream} |\n|---|---|---|---|---|\n"));
        for field in self.fields() {
            let name = format!("`{}`", field.name);
            text.push_str(&row(&[&name, field.request, field.answer, field.remarks[0], field.remarks[1]]));
        }
        text
    }

    /// All fields that one of the two knows, in the order of the face.
    fn fields(&self) -> impl Iterator<Item = Crossing> {
        let declares = |dialect: &Dialect, name: &str| dialect.fields.iter().any(|field| field.field == name);
        let others = self.upstream.fields.iter().filter(move |field| !declares(self.face, field.field));
        self.face.fields.iter().chain(others).map(|field| self.crossing(field.field))
    }

    fn crossing(&self, name: &'static str) -> Crossing {
        let [face, upstream] = [self.face, self.upstream].map(|dialect| support(dialect, name));
        let request = match (face.set.is_empty(), upstream.set.is_empty()) {
            (true, _) => "–",
            (false, true) if !self.passes() => "lost",
            (false, _) => "carried",
        };
        let answer = match (face.shown.is_empty(), upstream.shown.is_empty()) {
            (true, true) => "–",
            (true, false) => "lost",
            (false, true) => "unknown",
            (false, false) => "shown",
        };
        Crossing { name, request, answer, remarks: [face.remark, upstream.remark] }
    }
}

/// What becomes of a field between a face and an upstream.
struct Crossing {
    name: &'static str,
    /// `carried`, `lost`, or nothing where no request of the face has it.
    request: &'static str,
    /// `shown`, `lost` where only the upstream shows it, `unknown` where only the face does: then the gateway says what
    /// it knows of it, or leaves it out.
    answer: &'static str,
    /// The face's and the upstream's.
    remarks: [&'static str; 2],
}

/// How a dialect carries a field; one that it does not declare, not at all.
fn support(dialect: &Dialect, name: &'static str) -> FieldSupport {
    let declared = dialect.fields.iter().find(|field| field.field == name).copied();
    declared.unwrap_or(FieldSupport { field: name, set: "", shown: "", remark: "" })
}

fn row(cells: &[&str]) -> String {
    let cells: String = cells.iter().map(|cell| format!(" {cell} |")).collect();
    format!("|{}\n", cells.replace("  |", " |"))
}
