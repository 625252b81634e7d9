package awsapi

import (
	"cmp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// readActions converts actions in the order in which they are carried out. AWS
// names the only target group of a forward action in two places, old clients in
// one of them; a weight that is not given is 1.
func readActions(in []types.Action) []Action {
	byOrder := slices.SortedStableFunc(slices.Values(in), func(a, b types.Action) int {
		return cmp.Compare(aws.ToInt32(a.Order), aws.ToInt32(b.Order))
	})
	return each(byOrder, func(a types.Action) Action {
		out := Action{Type: string(a.Type)}
		switch {
		case a.ForwardConfig != nil:
			out.Forward = each(a.ForwardConfig.TargetGroups, readWeight)
			if s := a.ForwardConfig.TargetGroupStickinessConfig; s != nil && aws.ToBool(s.Enabled) {
				out.StickySeconds = aws.ToInt32(s.DurationSeconds)
			}
		case a.TargetGroupArn != nil:
			out.Forward = []WeightedTargetGroup{{ARN: *a.TargetGroupArn, Weight: 1}}
		case a.RedirectConfig != nil:
			out.Redirect = readRedirect(a.RedirectConfig)
		case a.FixedResponseConfig != nil:
			out.FixedResponse = &FixedResponse{
				StatusCode:  aws.ToString(a.FixedResponseConfig.StatusCode),
				ContentType: aws.ToString(a.FixedResponseConfig.ContentType),
				MessageBody: aws.ToString(a.FixedResponseConfig.MessageBody),
			}
		}
		return out
	})
}

// readRedirect fills in what AWS leaves out: what is not given stays as it was asked
// for.
func readRedirect(r *types.RedirectActionConfig) *Redirect {
	query := "#{query}"
	if r.Query != nil {
		query = *r.Query
	}
	return &Redirect{
		StatusCode: string(r.StatusCode),
		Protocol:   cmp.Or(aws.ToString(r.Protocol), "#{protocol}"),
		Host:       cmp.Or(aws.ToString(r.Host), "#{host}"),
		Port:       cmp.Or(aws.ToString(r.Port), "#{port}"),
		Path:       cmp.Or(aws.ToString(r.Path), "/#{path}"),
		Query:      query,
	}
}

func readWeight(t types.TargetGroupTuple) WeightedTargetGroup {
	out := WeightedTargetGroup{ARN: aws.ToString(t.TargetGroupArn), Weight: 1}
	if t.Weight != nil {
		out.Weight = *t.Weight
	}
	return out
}

// elbActions numbers the actions where there is an order to keep.
func elbActions(in []Action) []types.Action {
	out := each(in, elbAction)
	if len(out) > 1 {
		for i := range out {
			out[i].Order = aws.Int32(int32(i + 1))
		}
	}
	return out
}

func elbAction(a Action) types.Action {
	out := types.Action{Type: types.ActionTypeEnum(a.Type)}
	if a.Forward != nil {
		out.ForwardConfig = &types.ForwardActionConfig{
			TargetGroups: each(a.Forward, func(w WeightedTargetGroup) types.TargetGroupTuple {
				return types.TargetGroupTuple{TargetGroupArn: &w.ARN, Weight: &w.Weight}
			}),
		}
		if a.StickySeconds > 0 {
			out.ForwardConfig.TargetGroupStickinessConfig = &types.TargetGroupStickinessConfig{
				Enabled: aws.Bool(true), DurationSeconds: &a.StickySeconds,
			}
		}
	}
	if r := a.Redirect; r != nil {
		out.RedirectConfig = &types.RedirectActionConfig{
			StatusCode: types.RedirectActionStatusCodeEnum(r.StatusCode),
			Protocol:   given(r.Protocol), Host: given(r.Host), Port: given(r.Port), Path: given(r.Path), Query: &r.Query,
		}
	}
	if f := a.FixedResponse; f != nil {
		out.FixedResponseConfig = &types.FixedResponseActionConfig{
			StatusCode:  &f.StatusCode,
			ContentType: given(f.ContentType),
			MessageBody: given(f.MessageBody),
		}
	}
	return out
}
