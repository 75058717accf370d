"""What counts as a public symbol, language by language."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from git_peer.adapters.rules import DEEPEST, Rules, few
from git_peer.adapters.symbols import is_constant

if TYPE_CHECKING:
    from tree_sitter import Node


class Python(Rules):
    """A leading underscore is private; names with two on both sides are the language's own."""

    kinds: ClassVar[dict[str, str]] = {
        "function_definition": "function", "class_definition": "class", "assignment": "constant",
        "type_alias_statement": "type",
    }  # fmt: skip
    through = frozenset({"decorated_definition", "expression_statement"})

    def name(self, node: Node) -> str:
        found = super().name(node)
        return found or self.text(node.child_by_field_name("left"))

    def shown(self, node: Node, name: str, owner: str) -> bool:
        if node.type == "assignment":
            return is_constant(name)
        return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


class JavaScript(Rules):
    """Where a module exports, what it exports is public; else everything without an underscore."""

    kinds: ClassVar[dict[str, str]] = {
        "function_declaration": "function", "generator_function_declaration": "function", "class_declaration": "class",
        "function_signature": "function", "abstract_class_declaration": "class", "interface_declaration": "interface",
        "type_alias_declaration": "type", "enum_declaration": "enum", "internal_module": "namespace",
        "module": "namespace", "method_definition": "method", "method_signature": "method",
        "abstract_method_signature": "method",
    }  # fmt: skip
    through = frozenset({"export_statement", "lexical_declaration", "variable_declaration", "ambient_declaration"})
    holders = Rules.holders - {"enum"}
    functions = frozenset({"arrow_function", "function_expression", "generator_function"})

    def __init__(self, source: bytes, header: bool) -> None:
        super().__init__(source, header)
        self.exported: set[str] = set()
        self._modules: dict[int, bool] = {}  # whether a body exports something by name

    def kind(self, node: Node) -> str:
        if node.type != "variable_declarator":
            return super().kind(node)
        value = node.child_by_field_name("value")
        made = value.type if value is not None else ""
        return "function" if made in self.functions else "class" if made == "class" else "constant"

    def shown(self, node: Node, name: str, owner: str) -> bool:
        if name.startswith(("_", "#")) or (owner == "" and node.type == "variable_declarator" and name[:1] in "{["):
            return False
        modifier = next((child for child in node.children if child.type == "accessibility_modifier"), None)
        if self.text(modifier) in {"private", "protected"}:
            return False
        if owner in {"", "namespace"} and not self._exports(node):
            return name in self.exported
        return True

    def _exports(self, node: Node) -> bool:
        """Whether a declaration is exported where it stands, or its module exports nothing by name."""
        above = node.parent
        while above is not None and above.type in self.through:
            if above.type == "export_statement":
                return True
            above = above.parent
        if above is None:
            return True
        if above.id not in self._modules:
            self._modules[above.id] = any(child.type == "export_statement" for child in few(above))
        return not self._modules[above.id]

    def body(self, node: Node) -> Node | None:
        value = node.child_by_field_name("value") if node.type == "variable_declarator" else None
        return (node if value is None else value).child_by_field_name("body")

    def taken_back(self, node: Node) -> set[str]:
        """Takes nothing back: notes what `export { a, b }` names."""
        if node.type == "export_statement":
            for clause in node.named_children:
                if clause.type == "export_clause":
                    self.exported |= {self.name(one) for one in clause.named_children}
        return set()


class Go(Rules):
    """An upper-case letter exports."""

    kinds: ClassVar[dict[str, str]] = {
        "function_declaration": "function", "method_declaration": "method", "type_spec": "type", "type_alias": "type",
        "const_spec": "constant", "method_elem": "method",
    }  # fmt: skip
    through = frozenset({"type_declaration", "const_declaration", "var_declaration"})

    def kind(self, node: Node) -> str:
        held = node.child_by_field_name("type") if node.type == "type_spec" else None
        return {"interface_type": "interface", "struct_type": "struct"}.get(
            held.type if held else "", super().kind(node)
        )

    def name(self, node: Node) -> str:
        receiver = self.text(node.child_by_field_name("receiver"))
        if not receiver:
            return super().name(node)
        kind = receiver.strip("()").split("[")[0].split(" ")[-1].lstrip("*")
        return f"{kind}.{super().name(node)}"

    def shown(self, node: Node, name: str, owner: str) -> bool:
        return all(part[:1].isupper() for part in name.split("."))

    def body(self, node: Node) -> Node | None:
        held = node.child_by_field_name("type") if node.type == "type_spec" else None
        return held if held is not None and held.type == "interface_type" else super().body(node)

    def signature(self, node: Node) -> str:
        word = {"type_spec": "type ", "type_alias": "type ", "const_spec": "const "}.get(node.type, "")
        held = node.child_by_field_name("type")
        if node.type == "type_spec" and held is not None and held.type in {"interface_type", "struct_type"}:
            start = self.source[node.start_byte : held.start_byte].decode("utf-8", "replace")
            return f"{word}{start}{held.type.removesuffix('_type')}"
        return word + super().signature(node)


class Rust(Rules):
    """`pub` is public, and all that a trait has."""

    kinds: ClassVar[dict[str, str]] = {
        "function_item": "function", "function_signature_item": "function", "struct_item": "struct",
        "union_item": "struct", "enum_item": "enum", "trait_item": "trait", "type_item": "type",
        "const_item": "constant", "static_item": "constant", "mod_item": "module", "impl_item": "impl",
    }  # fmt: skip
    holders = frozenset({"trait", "module", "impl"})

    def name(self, node: Node) -> str:
        if node.type == "impl_item":
            return self.text(node.child_by_field_name("type")).split("<")[0].rpartition(".")[2]
        return super().name(node)

    def shown(self, node: Node, name: str, owner: str) -> bool:
        if node.type == "impl_item":  # what a trait's implementation has is told with the trait
            return node.child_by_field_name("trait") is None
        if owner == "trait":
            return True
        return any(child.type == "visibility_modifier" for child in node.children)


class Modified(Rules):
    """Java, C# and PHP: words before a declaration say who may use it."""

    kinds: ClassVar[dict[str, str]] = {
        "class_declaration": "class", "interface_declaration": "interface", "enum_declaration": "enum",
        "record_declaration": "class", "annotation_type_declaration": "interface", "struct_declaration": "struct",
        "record_struct_declaration": "struct", "delegate_declaration": "type", "trait_declaration": "trait",
        "method_declaration": "method", "constructor_declaration": "method", "property_declaration": "property",
        "field_declaration": "constant", "constant_declaration": "constant", "const_declaration": "constant",
        "function_definition": "function",
    }  # fmt: skip
    through = frozenset(
        {"namespace_declaration", "file_scoped_namespace_declaration", "namespace_definition", "enum_body_declarations"}
    )
    open_members = False  # whether a member without any word is public

    def words(self, node: Node) -> set[str]:
        """The modifiers of a declaration."""
        found: set[str] = set()
        for child in node.children:
            if "modifier" in child.type:
                found |= set(self.text(child).split())
        return found

    def kind(self, node: Node) -> str:
        found = super().kind(node)
        if node.type == "property_declaration" and node.child_by_field_name("accessors") is None:
            return "" if node.child_by_field_name("value") is None else found  # PHP's are fields
        return found

    def name(self, node: Node) -> str:
        found = super().name(node)
        if found or self.kind(node) != "constant":
            return found
        within = node.child_by_field_name("declarator")
        for _ in range(3):  # a constant's name lies below a declarator
            within = within or next((child for child in node.named_children if "modifier" not in child.type), None)
            if within is None:
                return ""
            if within.child_by_field_name("name") is not None:
                return self.text(within.child_by_field_name("name"))
            if within.type == "const_element":
                return self.text(within.named_children[0])
            node, within = within, next((c for c in within.named_children if "declarator" in c.type), None)
        return ""

    def shown(self, node: Node, name: str, owner: str) -> bool:
        words = self.words(node)
        if words & {"private", "protected"}:
            return False
        if node.type == "field_declaration" and owner != "interface":
            fixed = "const" in words or ("static" in words and bool(words & {"final", "readonly"}))
            return fixed and "public" in words
        inner = owner not in {"", "namespace", "interface"}
        return not inner or self.open_members or self.kind(node) in self.holders or "public" in words

    def body(self, node: Node) -> Node | None:
        if node.type == "property_declaration":
            return node.child_by_field_name("accessors") or node.child_by_field_name("value")
        return super().body(node)


class Php(Modified):
    """PHP: a member without a word is public."""

    open_members = True


class C(Rules):
    """`static` is private, and in a source file its macros; in a C++ class what the access labels say."""

    kinds: ClassVar[dict[str, str]] = {
        "function_definition": "function", "declaration": "function", "field_declaration": "function",
        "struct_specifier": "struct", "union_specifier": "struct", "enum_specifier": "enum",
        "class_specifier": "class", "type_definition": "type", "alias_declaration": "type",
        "concept_definition": "type", "preproc_def": "constant", "preproc_function_def": "macro",
    }  # fmt: skip
    through = frozenset(
        {
            "preproc_ifdef", "preproc_if", "preproc_else", "preproc_elif", "linkage_specification", "declaration_list",
            "template_declaration", "namespace_definition",
        }
    )  # fmt: skip
    holders = frozenset({"class", "struct"})
    _NAMES = frozenset(
        {"identifier", "field_identifier", "type_identifier", "destructor_name", "operator_name", "template_function"}
    )

    def kind(self, node: Node) -> str:
        found = super().kind(node)
        if found in {"struct", "class", "enum"} and self.body(node) is None:
            return ""  # declared, and defined elsewhere
        return "" if found == "function" and not self._called(node) else found

    def _called(self, node: Node) -> str:
        """The name of the function that a declaration is of; "" for a variable or a member of a class elsewhere."""
        inner, function = node.child_by_field_name("declarator"), False
        for _ in range(DEEPEST):
            if inner is None or inner.type in self._NAMES:
                break
            if inner.type == "function_declarator":
                function = True
            elif inner.type not in {"pointer_declarator", "reference_declarator"}:
                return ""
            named = next((child for child in inner.named_children if "declarator" in child.type), None)
            inner = inner.child_by_field_name("declarator") or named
        return self.text(inner) if inner is not None and function else ""

    def name(self, node: Node) -> str:
        if self.kinds.get(node.type) == "function":
            return self._called(node)
        if node.type == "type_definition":
            inner = node.child_by_field_name("declarator")
            for _ in range(DEEPEST):
                if inner is None or inner.type in self._NAMES:
                    break
                inner = inner.child_by_field_name("declarator") or next(iter(inner.named_children), None)
            return self.text(inner)
        return super().name(node)

    def shown(self, node: Node, name: str, owner: str) -> bool:
        if node.type.startswith("preproc"):
            value = self.text(node.child_by_field_name("value"))
            return self.header and value[:1] not in {"", "#"} and not name.startswith("_")
        storage = {self.text(child) for child in node.children if child.type == "storage_class_specifier"}
        return not name.startswith("_") and (owner != "" or "static" not in storage)

    def body(self, node: Node) -> Node | None:
        starts = next((child for child in node.children if child.type == "field_initializer_list"), None)
        if node.type == "preproc_function_def":
            return node.child_by_field_name("value")
        return starts or super().body(node)

    def signature(self, node: Node) -> str:
        above = node.parent
        start = above if above is not None and above.type == "template_declaration" else node
        if node.type == "type_definition":
            held = node.child_by_field_name("type")
            body = held.child_by_field_name("body") if held is not None else None
            if body is not None:
                head = self.source[node.start_byte : body.start_byte].decode("utf-8", "replace")
                return f"{head} {self.text(node.child_by_field_name('declarator'))}"
        body = self.body(node)
        return self.source[start.start_byte : body.start_byte if body else node.end_byte].decode("utf-8", "replace")

    def hides(self, holder: Node, hidden: bool) -> bool:
        above = holder.parent
        if holder.type == "field_declaration_list":
            return above is not None and above.type == "class_specifier"
        nameless = above is not None and above.type == "namespace_definition" and not self.name(above)
        return hidden or nameless

    def turn(self, node: Node) -> bool | None:
        return self.text(node).strip(" :") != "public" if node.type == "access_specifier" else None


class Ruby(Rules):
    """What stands behind `private` is private, and what it names."""

    kinds: ClassVar[dict[str, str]] = {
        "class": "class", "module": "module", "method": "method", "singleton_method": "method",
        "assignment": "constant",
    }  # fmt: skip
    through = frozenset({"singleton_class", "body_statement"})

    def name(self, node: Node) -> str:
        return super().name(node) or self.text(node.child_by_field_name("left"))

    def shown(self, node: Node, name: str, owner: str) -> bool:
        if node.type == "assignment":
            left = node.child_by_field_name("left")
            return left is not None and left.type == "constant"
        return not name.startswith("_")

    def signature(self, node: Node) -> str:
        if node.type not in {"method", "singleton_method"}:
            return super().signature(node) if self.body(node) else self.text(node).split("\n")[0].removesuffix("end")
        last = node.child_by_field_name("parameters") or node.child_by_field_name("name")
        return self.source[node.start_byte : last.end_byte if last else node.end_byte].decode("utf-8", "replace")

    def hides(self, holder: Node, hidden: bool) -> bool:
        above = holder.parent
        return hidden if above is not None and above.type in self.through else False

    def turn(self, node: Node) -> bool | None:
        words = {"private": True, "protected": True, "public": False}
        return words.get(self.text(node)) if node.type == "identifier" else None

    def taken_back(self, node: Node) -> set[str]:
        if node.type != "call" or not self.text(node.child_by_field_name("method")).startswith(
            ("private", "protected")
        ):
            return set()
        given = node.child_by_field_name("arguments")
        symbols = given.named_children if given is not None else []
        return {self.text(one).lstrip(":") for one in symbols if one.type == "simple_symbol"}


RULES: dict[str, type[Rules]] = {
    "Python": Python, "JavaScript": JavaScript, "TypeScript": JavaScript, "TSX": JavaScript, "Go": Go, "Rust": Rust,
    "Java": Modified, "C#": Modified, "PHP": Php, "C": C, "C++": C, "Ruby": Ruby,
}  # fmt: skip
