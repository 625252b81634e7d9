package awssim

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// kind is what a node of a request holds.
type kind int

const (
	scalarNode kind = iota
	structNode
	listNode
	mapNode
)

// node is a request parameter as a tree. AWS Query flattens trees into names with
// dots: Targets.member.1.Id.
type node struct {
	kind   kind
	scalar string
	fields map[string]*node // structNode: by name; mapNode: by key
	items  []*node          // listNode
	keys   []string         // mapNode: in order
}

// dialect is a way in which AWS writes trees. Of the two that flatten them, ELBv2's
// has lists as X.member.N and X.entry.N, EC2's as X.N. JSON is turned into the former
// when it arrives, so that all that follows sees forms.
type dialect int

const (
	queryDialect dialect = iota
	ec2Dialect
	jsonDialect
)

// maxDepth bounds the nesting of a request. No real one has more than 10 levels.
const maxDepth = 20

// parseForm turns a form into a tree.
func parseForm(d dialect, form url.Values) (*node, error) {
	root := &node{kind: structNode, fields: map[string]*node{}}
	for _, name := range sortedKeys(form) {
		values := form[name]
		if len(values) != 1 {
			return nil, malformed(name, "is given more than once")
		}
		path := strings.Split(name, ".")
		if len(path) > maxDepth || slices.Contains(path, "") {
			return nil, malformed(name, "is not a valid name")
		}
		if err := root.insert(path, values[0]); err != nil {
			return nil, malformed(name, err.Error())
		}
	}
	return root, root.classify(d, "")
}

// insert puts a scalar at its place. All inner nodes are structs at first.
func (n *node) insert(path []string, value string) error {
	for _, part := range path[:len(path)-1] {
		next, ok := n.fields[part]
		if !ok {
			next = &node{kind: structNode, fields: map[string]*node{}}
			n.fields[part] = next
		}
		if next.kind == scalarNode {
			return fmt.Errorf("is given beside a value of %s", part)
		}
		n = next
	}
	last := path[len(path)-1]
	if _, ok := n.fields[last]; ok {
		return fmt.Errorf("is given beside parts of %s", last)
	}
	n.fields[last] = &node{kind: scalarNode, scalar: value}
	return nil
}

// classify tells lists and maps from structs, from the leaves up.
func (n *node) classify(d dialect, path string) error {
	for _, name := range sortedKeys(n.fields) {
		if err := n.fields[name].classify(d, join(path, name)); err != nil {
			return err
		}
	}
	if n.kind != structNode || path == "" {
		return nil
	}
	if d == ec2Dialect {
		if anyNumber(n.fields) {
			return n.toList(n.fields, path)
		}
		return nil
	}
	if member := n.only("member"); member != nil {
		return n.toList(member.fields, path+".member")
	}
	if entry := n.only("entry"); entry != nil {
		return n.toMap(entry.fields, path+".entry")
	}
	return nil
}

// only is the structure that n has under name and nothing beside, or nil.
func (n *node) only(name string) *node {
	if inner, ok := n.fields[name]; ok && len(n.fields) == 1 && inner.kind == structNode {
		return inner
	}
	return nil
}

func anyNumber(fields map[string]*node) bool {
	for name := range fields {
		if name[0] >= '0' && name[0] <= '9' {
			return true
		}
	}
	return false
}

// toList makes n a list. AWS numbers its items from 1 without gaps.
func (n *node) toList(numbered map[string]*node, path string) error {
	items := make([]*node, len(numbered))
	for i := range items {
		item, ok := numbered[strconv.Itoa(i+1)]
		if !ok {
			return malformed(path, fmt.Sprintf("has no item %d", i+1))
		}
		items[i] = item
	}
	*n = node{kind: listNode, items: items}
	return nil
}

// toMap makes n a map from its numbered pairs of key and value.
func (n *node) toMap(numbered map[string]*node, path string) error {
	var list node
	if err := list.toList(numbered, path); err != nil {
		return err
	}
	m := node{kind: mapNode, fields: map[string]*node{}}
	for i, pair := range list.items {
		key, value := pair.fields["key"], pair.fields["value"]
		where := join(path, strconv.Itoa(i+1))
		if len(pair.fields) != 2 || key == nil || value == nil || key.kind != scalarNode {
			return malformed(where, "is not a pair of key and value")
		}
		if _, ok := m.fields[key.scalar]; ok {
			return malformed(where, "has the key of another entry")
		}
		m.keys = append(m.keys, key.scalar)
		m.fields[key.scalar] = value
	}
	*n = m
	return nil
}

// flatten is the inverse of parseForm.
func (n *node) flatten(d dialect) url.Values {
	form := url.Values{}
	n.flattenInto(form, d, "")
	return form
}

func (n *node) flattenInto(form url.Values, d dialect, path string) {
	switch n.kind {
	case scalarNode:
		form.Set(path, n.scalar)
	case structNode:
		for name, field := range n.fields {
			field.flattenInto(form, d, join(path, name))
		}
	case listNode:
		if d == queryDialect {
			path += ".member"
		}
		for i, item := range n.items {
			item.flattenInto(form, d, join(path, strconv.Itoa(i+1)))
		}
	case mapNode:
		for i, key := range n.keys {
			pair := join(path+".entry", strconv.Itoa(i+1))
			form.Set(pair+".key", key)
			n.fields[key].flattenInto(form, d, pair+".value")
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
