import { Engine } from 'rollcore';

export const engine = await Engine.open({}, { keepState: 'yes' });
