package ingress

import (
	"testing"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
)

func TestSplitList(t *testing.T) {
	require.Equal(t, []string{"a", "b c"}, splitList(" a ,, b c,"))
	require.Empty(t, splitList(" , "))
}

func TestSplitPairs(t *testing.T) {
	tests := map[string]struct {
		raw  string
		want map[string]string
	}{
		"one":                  {raw: "a=b", want: map[string]string{"a": "b"}},
		"spaces":               {raw: " a = b , c = d ", want: map[string]string{"a": "b", "c": "d"}},
		"comma in a value":     {raw: `a=b\,c=d,e=f`, want: map[string]string{"a": "b,c=d", "e": "f"}},
		"no pair behind":       {raw: "a=b,c", want: map[string]string{"a": "b,c"}},
		"no pair, then a pair": {raw: "a=b,c,d=e", want: map[string]string{"a": "b,c", "d": "e"}},
		"equals in a value":    {raw: "a=b=c", want: map[string]string{"a": "b=c"}},
		"empty value":          {raw: "a=", want: map[string]string{"a": ""}},
		"commas around":        {raw: ",a=b,,", want: map[string]string{"a": "b"}},
		"nothing":              {raw: "", want: map[string]string{}},
		"no key":               {raw: "=b"},
		"no pair":              {raw: "a"},
		"no pair in front":     {raw: "a,b=c"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := splitPairs(tt.raw)
			require.Equal(t, tt.want != nil, ok)
			require.Equal(t, tt.want, got)
		})
	}
}

// What cannot be read names the annotation, its value and what it must be.
func TestReader(t *testing.T) {
	const key = annotationPrefix + "key"
	tests := map[string]struct {
		value string
		read  func(reader) any
		want  any
		must  string
	}{
		"true":               {value: "T", read: func(r reader) any { v, _ := r.boolean(key); return v }, want: true},
		"no bool":            {value: "yes", read: func(r reader) any { _, ok := r.boolean(key); return ok }, want: false, must: `"yes" must be true or false`},
		"number":             {value: "3", read: func(r reader) any { v, _ := r.number(key, 1, 3); return v }, want: int32(3)},
		"number too large":   {value: "4", read: func(r reader) any { _, ok := r.number(key, 1, 3); return ok }, want: false, must: `"4" must be a whole number from 1 to 3`},
		"number that wraps":  {value: "4294967297", read: func(r reader) any { _, ok := r.number(key, 1, 3); return ok }, want: false, must: "from 1 to 3"},
		"word":               {value: "b", read: func(r reader) any { return r.oneOf(key, "a", "b") }, want: "b"},
		"other word":         {value: "c", read: func(r reader) any { return r.oneOf(key, "a", "b") }, want: "", must: `"c" must be a or b`},
		"list":               {value: "a, b", read: func(r reader) any { return r.list(key) }, want: []string{"a", "b"}},
		"pairs":              {value: "a=b", read: func(r reader) any { return r.pairs(key) }, want: map[string]string{"a": "b"}},
		"no pairs":           {value: "a", read: func(r reader) any { return r.pairs(key) }, want: map[string]string(nil), must: `"a" must be pairs like`},
		"JSON":               {value: `[1]`, read: func(r reader) any { var v []int; r.json(key, "a list", &v); return v }, want: []int{1}},
		"JSON with more":     {value: `[1]]`, read: func(r reader) any { return r.json(key, "a list", &[]int{}) }, want: false, must: `"[1]]" must be a list (invalid character`},
		"JSON of other type": {value: `{}`, read: func(r reader) any { return r.json(key, "a list", &[]int{}) }, want: false, must: "must be a list"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := &member{ing: &networkingv1.Ingress{}}
			require.Zero(t, m.reader().list(key))
			m.ing.Annotations = map[string]string{key: tt.value}
			require.Equal(t, tt.want, tt.read(m.reader()))
			require.Equal(t, tt.must != "", m.bad)
			if m.bad {
				require.Equal(t, key, m.problems[0].Field)
				require.Contains(t, m.problems[0].Message, "annotation "+key+": ")
				require.Contains(t, m.problems[0].Message, tt.must)
			}
		})
	}
}
