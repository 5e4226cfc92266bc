//! `cel`: expressions in the Common Expression Language over the whole call.

mod names;
pub(crate) mod value;

use super::compile::Unusable;
use cel::Program;
use names::Names;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

/// Longest expression, in bytes.
const MAX_BYTES: usize = 1000;
/// Deepest nesting of loops in an expression.
const MAX_LOOPS: usize = 2;
/// Most values that the arguments may have where an expression's loops nest: each loop walks them all.
const MAX_NESTED_VALUES: usize = 1000;
/// The names that an expression may look at.
const VARIABLES: [&str; 8] = ["args", "tool", "grant", "identity", "client", "session", "time", "result"];

/// The names of types, for comparisons with `type(x)`.
const TYPES: [&str; 10] = ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// The standard functions, set up once.
static STANDARD: LazyLock<Arc<cel::Env>> = LazyLock::new(|| Arc::new(cel::Env::stdlib()));

/// A compiled CEL expression.
pub(crate) struct Expression {
    text: Box<str>,
    program: Program,
    variables: Box<[&'static str]>,
    loops: usize,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

impl Expression {
    /// Reads an expression.
    pub(super) fn compile(text: &str) -> Result<Self, Unusable> {
        if text.len() > MAX_BYTES {
            let why = format!("the expression is longer than {MAX_BYTES} bytes");
            return Err(Unusable::new(why, "split it into several conditions"));
        }
        // The parser is someone else's: what it trips over is a bad expression, not the end of the process.
        let program = match catch_unwind(|| Program::compile(text)) {
            Ok(Ok(program)) => program,
            Ok(Err(errors)) => {
                let why: String = errors.to_string().lines().next().unwrap_or_default().chars().take(200).collect();
                return Err(Unusable::new(format!("not a CEL expression: {why}"), ""));
            }
            Err(_) => return Err(Unusable::new("not a CEL expression that can be read", "")),
        };
        let names = Names::of(program.expression());
        if let Some(unknown) = names.free.iter().find(|name| !VARIABLES.contains(name) && !TYPES.contains(name)) {
            let why = format!("nothing is called `{unknown}`");
            return Err(Unusable::new(why, format!("expressions look at `{}`", VARIABLES.join("`, `"))));
        }
        if names.loops > MAX_LOOPS {
            let why = format!("the expression nests more than {MAX_LOOPS} loops");
            return Err(Unusable::new(why, "split it into several conditions"));
        }
        let variables = VARIABLES.into_iter().filter(|name| names.free.contains(name)).collect();
        let loops = names.loops;
        Ok(Self { text: text.into(), program, variables, loops })
    }

    /// The variables that the expression looks at.
    pub(crate) fn variables(&self) -> &[&'static str] {
        &self.variables
    }

    /// Most values that the arguments may have for this expression.
    pub(crate) fn max_values(&self) -> usize {
        if self.loops > 1 { MAX_NESTED_VALUES } else { usize::MAX }
    }

    /// The expression's truth with these variables; an error is a fault, and names no value.
    pub(crate) fn evaluate(&self, variables: Vec<(&'static str, cel::Value)>) -> Result<bool, String> {
        let run = || {
            let mut context = cel::Context::with_env(Arc::clone(&STANDARD));
            for (name, value) in variables {
                context.add_variable_from_value(name, value);
            }
            self.program.execute(&context)
        };
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(cel::Value::Bool(truth))) => Ok(truth),
            Ok(Ok(other)) => Err(format!("the expression gives a {}, not true or false", other.type_of())),
            Ok(Err(error)) => Err(format!("the expression can't be evaluated: {}", cause(&error))),
            Err(_) => Err("the expression can't be evaluated".into()),
        }
    }
}

/// What went wrong, without the values that it went wrong with.
fn cause(error: &cel::ExecutionError) -> String {
    match error {
        cel::ExecutionError::NoSuchKey(key) => format!("there is no `{}`", key.chars().take(80).collect::<String>()),
        cel::ExecutionError::UndeclaredReference(name) => format!("nothing is called `{name}`"),
        cel::ExecutionError::NoSuchOverload(_) => "an operator or function does not take values of these types".into(),
        cel::ExecutionError::DivisionByZero(_) | cel::ExecutionError::RemainderByZero(_) => "division by zero".into(),
        cel::ExecutionError::Overflow(..) => "a number overflows".into(),
        cel::ExecutionError::IndexOutOfBounds(_) => "an index is out of bounds".into(),
        _ => "a value is of the wrong type".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> String {
        Expression::compile(text).unwrap_err().why
    }

    #[test]
    fn names_are_known_before_any_call() {
        assert_eq!(why("arg.x == 1"), "nothing is called `arg`");
        assert_eq!(why("args.l.all(x, x == y)"), "nothing is called `y`");
        assert_eq!(why("args.l.exists(x, x == 1) && x == 2"), "nothing is called `x`");
        assert!(why("args.x ==").starts_with("not a CEL expression"));
        assert!(why("args.a.all(x, args.b.all(y, args.c.all(z, z)))").contains("loops"));
        for good in ["args.l.all(x, x == args.y)", "args.l.map(x, x + 1).exists(y, y == 2)", "type(args.x) == int"] {
            assert!(Expression::compile(good).is_ok(), "{good}");
        }
        let both = Expression::compile("args.x == tool.name").unwrap();
        assert_eq!(both.variables(), ["args", "tool"]);
    }

    #[test]
    fn no_expression_ends_the_process() {
        let repeated = |part: &str, times: usize, core: &str| part.repeat(times) + core;
        let hostile = [
            repeated("(", 990, "1"),
            repeated("(", 400, "1") + &")".repeat(400),
            repeated("[", 490, "") + &"]".repeat(490),
            repeated("!", 990, "true"),
            repeated("-", 990, "1"),
            repeated("1+", 490, "1"),
            repeated("true&&", 160, "true"),
            repeated("true?", 190, "1"),
            repeated("true?1:", 140, "1"),
            repeated("args", 1, &".a".repeat(490)),
            repeated("args", 1, &"[0]".repeat(330)),
            repeated("{1:", 300, "1"),
            "\"\\".into(),
            "\0".into(),
            "a".repeat(MAX_BYTES + 1),
            "args.x.matches('(')".into(),
            "9223372036854775807 + 1 == 0".into(),
            "1/0 == 0".into(),
            "[1][5] == 1".into(),
            "'a'.matches('(a+)+$')".into(),
        ];
        for text in hostile {
            if let Ok(expression) = Expression::compile(&text) {
                let _ = expression.evaluate(vec![("args", value::map([("x", value::text("x"))]))]);
            }
        }
    }
}
