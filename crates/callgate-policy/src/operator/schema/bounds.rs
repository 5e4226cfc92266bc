//! What a schema can cost, known before any value is put to it: a schema comes from a server, and servers can be hostile.
//!
//! How often the parts of a schema look at one thing depends on how deep that thing stands in the value and on nothing
//! else: the parts that look at the same value are followed as they are, those that look at what it holds lead one level
//! down. So the cost of a value is known from how many things it holds at each depth.

use super::graph::{Graph, Part, Role};
use serde_json::Value;

/// How deep values may be. The strict reader lets none through that is deeper.
const LEVELS: usize = 66;
/// The most looks at one value's things altogether, some dozen nanoseconds each.
const MAX_LOOKS: u64 = 1_000_000;
/// The most looks of a schema at one value and its parts at the same level, also before it is compiled.
const MAX_SAME: u64 = 50_000;
/// How many looks may be nested: each is a few calls deep.
const MAX_NESTED: u64 = 400;

/// What a schema costs at most.
#[derive(Debug)]
pub(super) struct Bounds {
    levels: Vec<Level>,
    has_patterns: bool,
}

/// What the things at one depth of a value cost.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    /// Looks at each.
    looks: u64,
    /// Patterns that are put to each.
    patterns: u64,
    /// How many looks are nested down to here.
    nested: u64,
}

/// What one part costs at one depth below where it looks.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    /// To find out whether it holds.
    whether: u64,
    /// To find out why it does not.
    why: u64,
    patterns: u64,
    nested: u64,
}

/// What a value holds, depth by depth.
#[derive(Debug, Default)]
struct Shape {
    things: Vec<u64>,
    text: Vec<u64>,
}

impl Bounds {
    /// What this schema costs. The error says why it is not used at all.
    pub(super) fn of(schema: &Value) -> Result<Self, String> {
        let graph = Graph::of(schema)?;
        let order = order(&graph)?;
        let heights = heights(&graph, &order);
        let mut below = vec![Cost::default(); graph.parts.len()];
        let mut levels = Vec::with_capacity(LEVELS);
        for depth in 0..LEVELS {
            let mut here = vec![Cost::default(); graph.parts.len()];
            for index in &order {
                let Some(part) = graph.parts.get(*index) else { continue };
                let height = heights.get(*index).copied().unwrap_or_default();
                let cost = cost(part, depth, height, &here, &below);
                if depth == 0 && (cost.why.max(cost.whether) > MAX_SAME || cost.nested > MAX_NESTED) {
                    return Err(format!("it looks at one value more than {MAX_SAME} times, or {MAX_NESTED} deep"));
                }
                if let Some(place) = here.get_mut(*index) {
                    *place = cost;
                }
            }
            let root = here.first().copied().unwrap_or_default();
            let looks = root.whether.saturating_add(root.why);
            levels.push(Level { looks, patterns: root.patterns, nested: root.nested });
            below = here;
        }
        Ok(Self { levels, has_patterns: graph.patterns > 0 })
    }

    /// Whether some part has a pattern.
    pub(super) fn has_patterns(&self) -> bool {
        self.has_patterns
    }

    /// Whether this value can be put to the schema. `max_text` is how many bytes of text may be put to patterns.
    pub(super) fn check(&self, value: &Value, max_text: u64) -> Result<(), String> {
        let mut shape = Shape::default();
        shape.add(value, 0);
        let (mut looks, mut text) = (0_u64, 0_u64);
        for (depth, (things, bytes)) in shape.things.iter().zip(&shape.text).enumerate() {
            let Some(level) = self.levels.get(depth) else { return Err("the arguments are too deep".to_owned()) };
            looks = looks.saturating_add(things.saturating_mul(level.looks));
            text = text.saturating_add(bytes.saturating_mul(level.patterns));
            if level.nested > MAX_NESTED {
                return Err("the arguments are too deep for what the schema looks at".to_owned());
            }
        }
        if looks > MAX_LOOKS {
            return Err(format!("the schema could look {looks} times at the arguments, and may {MAX_LOOKS} times"));
        }
        if text > max_text {
            return Err(format!("{text} bytes of text could be put to the schema's patterns, and {max_text} may be"));
        }
        Ok(())
    }
}

/// The parts, each after those that look at the same value with it. A schema that comes back to itself that way never
/// ends, or means nothing.
fn order(graph: &Graph) -> Result<Vec<usize>, String> {
    let mut order = Vec::with_capacity(graph.parts.len());
    // 0: not seen; 1: on the way; 2: done.
    let mut state = vec![0_u8; graph.parts.len()];
    for start in 0..graph.parts.len() {
        let mut stack = vec![(start, false)];
        while let Some((index, is_done)) = stack.pop() {
            let Some(state_now) = state.get_mut(index) else { continue };
            if is_done {
                *state_now = 2;
                order.push(index);
                continue;
            }
            match *state_now {
                0 => *state_now = 1,
                1 => return Err("it refers to itself without end".to_owned()),
                _ => continue,
            }
            stack.push((index, true));
            let Some(part) = graph.parts.get(index) else { continue };
            for next in same(part) {
                match state.get(next) {
                    Some(0) => stack.push((next, false)),
                    Some(1) => return Err("it refers to itself without end".to_owned()),
                    _ => {}
                }
            }
        }
    }
    Ok(order)
}

fn same(part: &Part) -> impl Iterator<Item = usize> {
    part.same.iter().map(|(_, next)| *next).chain(part.one_of.iter().flatten().copied())
}

/// How many parts stand above each other over the same value.
fn heights(graph: &Graph, order: &[usize]) -> Vec<u64> {
    let mut heights = vec![0_u64; graph.parts.len()];
    for index in order {
        let Some(part) = graph.parts.get(*index) else { continue };
        let above = same(part).filter_map(|next| heights.get(next)).max().copied().unwrap_or_default();
        if let Some(place) = heights.get_mut(*index) {
            *place = above + 1;
        }
    }
    heights
}

fn cost(part: &Part, depth: usize, height: u64, here: &[Cost], below: &[Cost]) -> Cost {
    let of = |costs: &[Cost], index: &usize| costs.get(*index).copied().unwrap_or_default();
    let mut cost = match depth {
        0 => Cost { whether: part.weight, why: part.weight, patterns: part.patterns, nested: 0 },
        _ => Cost::default(),
    };
    for (role, next) in &part.same {
        cost.add(of(here, next), *role);
    }
    for targets in &part.one_of {
        let dearest = targets.iter().map(|next| of(here, next)).fold(Cost::default(), Cost::dearer);
        cost.add(dearest, Role::Plain);
    }
    if depth > 0 {
        cost.add(part.named.iter().map(|next| of(below, next)).fold(Cost::default(), Cost::dearer), Role::Plain);
        for next in &part.each {
            cost.add(of(below, next), Role::Choice);
        }
    }
    if part.asks_again {
        // Once for each part over the same value, and twice for itself.
        let times = height.saturating_add(2);
        cost.whether = cost.whether.saturating_mul(times);
        cost.why = cost.why.saturating_mul(times);
        cost.patterns = cost.patterns.saturating_mul(times);
    }
    cost.nested = cost.nested.saturating_add(1);
    cost
}

impl Cost {
    fn add(&mut self, other: Self, role: Role) {
        let again = if role == Role::Choice { other.whether.saturating_mul(2) } else { 0 };
        self.whether = self.whether.saturating_add(other.whether);
        self.why = self.why.saturating_add(other.why).saturating_add(again);
        self.patterns = self.patterns.saturating_add(other.patterns.saturating_mul(if again > 0 { 3 } else { 1 }));
        self.nested = self.nested.max(other.nested);
    }

    fn dearer(self, other: Self) -> Self {
        Self {
            whether: self.whether.max(other.whether),
            why: self.why.max(other.why),
            patterns: self.patterns.max(other.patterns),
            nested: self.nested.max(other.nested),
        }
    }
}

impl Shape {
    fn add(&mut self, value: &Value, depth: usize) {
        self.note(depth, 1, if let Value::String(text) = value { text.len() } else { 0 });
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.add(item, depth + 1)),
            Value::Object(members) => {
                for (key, value) in members {
                    // A key is looked at like what it leads to.
                    self.note(depth + 1, 1, key.len());
                    self.note(depth, 0, key.len());
                    self.add(value, depth + 1);
                }
            }
            _ => {}
        }
    }

    fn note(&mut self, depth: usize, things: u64, text: usize) {
        while self.things.len() <= depth {
            self.things.push(0);
            self.text.push(0);
        }
        if let (Some(all), Some(texts)) = (self.things.get_mut(depth), self.text.get_mut(depth)) {
            *all = all.saturating_add(things);
            *texts = texts.saturating_add(u64::try_from(text).unwrap_or(u64::MAX));
        }
    }
}
