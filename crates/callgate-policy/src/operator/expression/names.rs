//! What an expression looks at: the free names in its tree, and how deep its loops nest.

use cel::common::ast::{EntryExpr, Expr, IdedEntryExpr, IdedExpr};

/// What an expression looks at.
#[derive(Debug, Default)]
pub(super) struct Names<'e> {
    /// Every name that no loop binds, in the order in which they are met; may hold one twice.
    pub(super) free: Vec<&'e str>,
    /// The deepest nesting of loops (`all`, `exists`, `map`, `filter`).
    pub(super) loops: usize,
    bound: Vec<&'e str>,
    depth: usize,
}

impl<'e> Names<'e> {
    /// The names of the whole expression.
    pub(super) fn of(expression: &'e IdedExpr) -> Self {
        let mut names = Self::default();
        names.walk(expression);
        names
    }

    fn walk(&mut self, expression: &'e IdedExpr) {
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => {
                if !self.bound.contains(&name.as_str()) {
                    self.free.push(name);
                }
            }
            Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).for_each(|part| self.walk(part)),
            Expr::List(list) => list.elements.iter().for_each(|part| self.walk(part)),
            Expr::Select(select) => self.walk(&select.operand),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(entry)),
            Expr::Struct(fields) => fields.entries.iter().for_each(|entry| self.entry(entry)),
            Expr::Comprehension(each) => {
                self.walk(&each.iter_range);
                self.walk(&each.accu_init);
                let outside = self.bound.len();
                self.bound.push(&each.accu_var);
                self.depth += 1;
                self.loops = self.loops.max(self.depth);
                self.bound.push(&each.iter_var);
                self.bound.extend(each.iter_var2.as_deref());
                self.walk(&each.loop_cond);
                self.walk(&each.loop_step);
                self.depth -= 1;
                self.bound.truncate(outside + 1);
                self.walk(&each.result);
                self.bound.truncate(outside);
            }
        }
    }

    fn entry(&mut self, entry: &'e IdedEntryExpr) {
        match &entry.expr {
            EntryExpr::StructField(field) => self.walk(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.walk(&entry.key);
                self.walk(&entry.value);
            }
        }
    }
}
