package awssim

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"time"
)

// jsonForm is the body of a JSON request as the form that would say the same in the
// query dialect. A body that is no JSON object is an empty form of no action.
func jsonForm(target string, body []byte) url.Values {
	prefix, action, _ := strings.Cut(target, ".")
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		return url.Values{}
	}
	form := treeOf(fields, 0).flatten(queryDialect)
	form.Set("Version", prefix)
	form.Set("Action", action)
	return form
}

// treeOf is a JSON value as a tree. What is null, or too deep, is not there.
func treeOf(value any, depth int) *node {
	switch v := value.(type) {
	case map[string]any:
		n := &node{kind: structNode, fields: map[string]*node{}}
		for name, field := range v {
			if field != nil && depth < maxDepth {
				n.fields[name] = treeOf(field, depth+1)
			}
		}
		return n
	case []any:
		n := &node{kind: listNode}
		for _, item := range v {
			if depth < maxDepth {
				n.items = append(n.items, treeOf(item, depth+1))
			}
		}
		return n
	}
	return &node{kind: scalarNode, scalar: fmt.Sprint(value)}
}

// encodeJSON writes a result struct as JSON. Like in XML, empty texts, nil pointers
// and nil lists are left out; times are seconds since 1970.
func encodeJSON(result any) ([]byte, error) {
	return json.Marshal(jsonValue(reflect.Indirect(reflect.ValueOf(result))))
}

func jsonValue(v reflect.Value) any {
	if t, ok := reflect.TypeAssert[time.Time](v); ok {
		return t.Unix()
	}
	switch v.Kind() {
	case reflect.Pointer:
		return jsonValue(v.Elem())
	case reflect.Struct:
		fields := map[string]any{}
		for i := range v.NumField() {
			if !jsonOmits(v.Field(i)) {
				fields[v.Type().Field(i).Name] = jsonValue(v.Field(i))
			}
		}
		return fields
	case reflect.Slice:
		items := make([]any, 0, v.Len())
		for i := range v.Len() {
			items = append(items, jsonValue(v.Index(i)))
		}
		return items
	default:
		return v.Interface()
	}
}

func jsonOmits(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Bool, reflect.Int:
		return false
	default:
		return v.IsZero()
	}
}

func encodeJSONError(err *apiError) []byte {
	body, _ := json.Marshal(map[string]string{"__type": err.code, "message": err.message}) // Texts always have a form in JSON.
	return body
}
