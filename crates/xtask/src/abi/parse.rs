//! The header as facts. It reads what cbindgen writes, not all of C, and a declaration that it does not know is an
//! error: nothing is passed over in silence.

use std::collections::BTreeMap;
use std::fmt;

/// What a program relies on. A type is written as in the header, names of arguments left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    Number {
        name: String,
        value: i64,
    },
    Type {
        name: String,
        of: String,
    },
    Handle {
        name: String,
    },
    Struct {
        name: String,
        size: usize,
        align: usize,
        fields: Vec<Field>,
    },
    Callback {
        name: String,
        returns: String,
        takes: String,
    },
    Function {
        name: String,
        returns: String,
        takes: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) offset: usize,
    pub(crate) size: usize,
    pub(crate) of: String,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Number { name, value } => write!(f, "number {name} {value}"),
            Fact::Type { name, of } => write!(f, "type {name} {of}"),
            Fact::Handle { name } => write!(f, "handle {name}"),
            Fact::Struct {
                name,
                size,
                align,
                fields,
            } => {
                write!(f, "struct {name} {size} {align}")?;
                fields.iter().try_for_each(|field| {
                    let (at, size) = (field.offset, field.size);
                    write!(f, "\nfield {name}.{} {at} {size} {}", field.name, field.of)
                })
            }
            Fact::Callback {
                name,
                returns,
                takes,
            } => write!(f, "callback {name} {returns} ({takes})"),
            Fact::Function {
                name,
                returns,
                takes,
            } => write!(f, "function {name} {returns} ({takes})"),
        }
    }
}

/// All facts, in the header's order.
pub(crate) fn facts(header: &str) -> Result<Vec<Fact>, String> {
    let code = without_comments(header);
    let mut facts: Vec<Fact> = code.lines().filter_map(number).collect();
    let mut layouts = BTreeMap::new();
    for declaration in declarations(&code) {
        let fact = declared(&declaration, &mut layouts).ok_or_else(|| {
            format!("a declaration that the task abi does not know: {declaration}")
        })?;
        facts.push(fact);
    }
    Ok(facts)
}

fn without_comments(header: &str) -> String {
    let mut code = String::new();
    let mut rest = header;
    while let Some((before, comment)) = rest.split_once("/*") {
        code += before;
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    code + rest
}

/// `#define IM_OK 0`. The version is no part of the interface; it is held to Cargo's elsewhere.
fn number(line: &str) -> Option<Fact> {
    let (name, value) = line.strip_prefix("#define ")?.split_once(' ')?;
    let value = value.trim().parse().ok()?;
    let of_interface = !name.starts_with("IM_VERSION");
    of_interface.then(|| Fact::Number {
        name: name.to_owned(),
        value,
    })
}

/// What stands between semicolons, on one line each; not those within braces, and not what is for C++ alone.
fn declarations(code: &str) -> Vec<String> {
    let mut declarations = vec![String::new()];
    let mut for_cpp = false;
    let mut depth = 0_usize;
    for line in code.lines() {
        match line.trim_end() {
            "#ifdef __cplusplus" => for_cpp = true,
            directive if directive.starts_with("#endif") || directive == "#else" => for_cpp = false,
            directive if directive.starts_with('#') => {}
            _ if for_cpp => {}
            line => {
                for character in line.chars().chain([' ']) {
                    match character {
                        '{' => depth += 1,
                        '}' => depth = depth.saturating_sub(1),
                        ';' if depth == 0 => {
                            declarations.push(String::new());
                            continue;
                        }
                        _ => {}
                    }
                    if let Some(last) = declarations.last_mut() {
                        last.push(character);
                    }
                }
            }
        }
    }
    let in_one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let declarations = declarations.into_iter().map(in_one_line);
    declarations.filter(|text| !text.is_empty()).collect()
}

/// Sizes and alignments of the types that the header has defined so far.
type Layouts = BTreeMap<String, (usize, usize)>;

fn declared(text: &str, layouts: &mut Layouts) -> Option<Fact> {
    let Some(defined) = text.strip_prefix("typedef ") else {
        let (head, arguments) = text.strip_suffix(')')?.split_once('(')?;
        let (returns, name) = type_and_name(head)?;
        return Some(Fact::Function {
            name,
            returns,
            takes: types_of(arguments)?,
        });
    };
    if let Some(inner) = defined.strip_prefix("struct {") {
        let (fields, name) = inner.split_once('}')?;
        return structure(name.trim(), fields, layouts);
    }
    if let Some((returns, rest)) = defined.split_once("(*") {
        let (name, arguments) = rest.split_once(")(")?;
        return Some(Fact::Callback {
            name: name.to_owned(),
            returns: returns.trim().to_owned(),
            takes: types_of(arguments.strip_suffix(')')?)?,
        });
    }
    if let Some(names) = defined.strip_prefix("struct ") {
        let (tag, name) = names.split_once(' ')?;
        return (tag == name).then(|| Fact::Handle {
            name: name.to_owned(),
        });
    }
    let (of, name) = type_and_name(defined)?;
    layouts.insert(name.clone(), layout(&of, layouts)?);
    Some(Fact::Type { name, of })
}

fn structure(name: &str, text: &str, layouts: &mut Layouts) -> Option<Fact> {
    let (mut end, mut widest) = (0, 1);
    let mut fields = Vec::new();
    for field in text.split(';').filter(|field| !field.trim().is_empty()) {
        let (of, name) = type_and_name(field)?;
        let (size, align) = layout(&of, layouts)?;
        let offset = usize::next_multiple_of(end, align);
        end = offset + size;
        widest = widest.max(align);
        fields.push(Field {
            name,
            offset,
            size,
            of,
        });
    }
    let size = end.next_multiple_of(widest);
    layouts.insert(name.to_owned(), (size, widest));
    Some(Fact::Struct {
        name: name.to_owned(),
        size,
        align: widest,
        fields,
    })
}

/// Size and alignment of a type on x86-64.
fn layout(of: &str, layouts: &Layouts) -> Option<(usize, usize)> {
    let known = match of {
        pointer if pointer.ends_with('*') => (8, 8),
        "size_t" | "uint64_t" | "int64_t" => (8, 8),
        "uint32_t" | "int32_t" => (4, 4),
        "bool" => (1, 1),
        other => *layouts.get(other)?,
    };
    Some(known)
}

/// `const char *im_version` is of `const char *`.
fn type_and_name(text: &str) -> Option<(String, String)> {
    let text = text.trim();
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let of = text.trim_end_matches(in_name);
    let name = &text[of.len()..];
    let of = of.trim();
    (!of.is_empty() && !name.is_empty()).then(|| (of.to_owned(), name.to_owned()))
}

/// The types of arguments, without their names.
fn types_of(arguments: &str) -> Option<String> {
    if arguments.trim() == "void" {
        return Some("void".to_owned());
    }
    let types: Option<Vec<String>> = arguments
        .split(',')
        .map(|argument| type_and_name(argument).map(|(of, _)| of))
        .collect();
    Some(types?.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(header: &str) -> String {
        let facts = facts(header).unwrap();
        let facts: Vec<String> = facts.iter().map(ToString::to_string).collect();
        facts.join("\n")
    }

    #[test]
    fn each_kind_of_declaration_is_a_line() {
        let header = "\
/* #define NOT 1 */
#define IM_VERSION_MINOR 1
#define IM_STR(literal) {\"\" literal}
#define IM_OK 0
#ifdef __cplusplus
extern \"C\" {
#endif // __cplusplus
typedef struct im_call im_call;
typedef int32_t im_status;
typedef void (*im_free)(void *context, im_call *call);
im_status im_add(const im_call *call,
                 size_t count, im_call **made);
const char *im_version(void);
";
        let expected = "\
number IM_OK 0
handle im_call
type im_status int32_t
callback im_free void (void *, im_call *)
function im_add im_status (const im_call *, size_t, im_call **)
function im_version const char * (void)";
        assert_eq!(lines(header), expected);
    }

    #[test]
    fn a_struct_has_the_layout_that_c_gives_it() {
        let header = "\
typedef int32_t im_status;
typedef struct { const char *data; size_t len; } im_str;
typedef struct { bool flag; im_str text; im_status status; } im_both;
";
        let expected = "\
type im_status int32_t
struct im_str 16 8
field im_str.data 0 8 const char *
field im_str.len 8 8 size_t
struct im_both 32 8
field im_both.flag 0 1 bool
field im_both.text 8 16 im_str
field im_both.status 24 4 im_status";
        assert_eq!(lines(header), expected);
    }

    #[test]
    fn what_is_not_known_is_not_passed_over() {
        let error = facts("typedef struct { double x; } im_point;").unwrap_err();
        let start = "a declaration that the task abi does not know: typedef struct { double x; }";
        assert!(error.starts_with(start), "{error}");
        assert!(facts("union im_u { int x; };").is_err());
    }
}
