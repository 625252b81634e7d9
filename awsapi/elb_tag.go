package awsapi

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// tagBatch is the most resources that one of ELBv2's tag calls can name.
const tagBatch = 20

// DescribeTags returns the tags of resources by ARN, in calls of 20 each. A
// resource without tags has an empty entry. One that is gone makes it NotFound as
// a whole: list again, then ask again.
func (c *ELB) DescribeTags(ctx context.Context, arns []string) (map[string]Tags, error) {
	all := make(map[string]Tags, len(arns))
	for batch := range slices.Chunk(arns, tagBatch) {
		out, err := c.read.DescribeTags(ctx, &elb.DescribeTagsInput{ResourceArns: batch})
		if err != nil {
			return nil, wrap("DescribeTags", "of "+some(batch), err)
		}
		for _, d := range out.TagDescriptions {
			tags := make(Tags, len(d.Tags))
			for _, t := range d.Tags {
				tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
			all[aws.ToString(d.ResourceArn)] = tags
		}
	}
	return all, nil
}

// AddTags sets tags on each of the resources, in calls of 20 each; other tags
// stay. It can be repeated, and after an error it may have been done in part.
// Without resources or tags it costs no call.
func (c *ELB) AddTags(ctx context.Context, arns []string, tags Tags) error {
	if len(tags) == 0 {
		return nil
	}
	for batch := range slices.Chunk(arns, tagBatch) {
		_, err := c.write.AddTags(ctx, &elb.AddTagsInput{ResourceArns: batch, Tags: elbTags(tags)})
		if err != nil {
			return wrap("AddTags", "to "+some(batch), err)
		}
	}
	return nil
}

// RemoveTags removes the tags with these keys from each of the resources, in
// calls of 20 each. It can be repeated, and after an error it may have been done
// in part. Without resources or keys it costs no call.
func (c *ELB) RemoveTags(ctx context.Context, arns, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	for batch := range slices.Chunk(arns, tagBatch) {
		_, err := c.write.RemoveTags(ctx, &elb.RemoveTagsInput{ResourceArns: batch, TagKeys: keys})
		if err != nil {
			return wrap("RemoveTags", "from "+some(batch), err)
		}
	}
	return nil
}

func elbTags(tags Tags) []types.Tag {
	return tagList(tags, func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} })
}
